"""Engines that turn speech into words, all behind `echoless.ears.door.Recogniser`."""
