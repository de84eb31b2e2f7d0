"""Workers take runs from the queue and execute them in the sandbox."""
