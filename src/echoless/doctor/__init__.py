"""`echoless doctor`: tries every part for real and says what to do about what fails."""
