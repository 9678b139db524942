"""What each command does on the screen; the work itself is done by the modules beside this folder."""
