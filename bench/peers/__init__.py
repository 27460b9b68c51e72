"""Echoless beside its peers, from outside: same rooms, same people, same recogniser, voice and reply. See README.md."""
