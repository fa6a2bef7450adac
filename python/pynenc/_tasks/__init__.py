"""Tasks as a process knows them: registered, found in modules, imported late, refused."""
