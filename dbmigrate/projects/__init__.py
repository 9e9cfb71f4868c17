"""New projects: directories, settings, and what makefiles, npm, compose and GitHub need to call dbmigrate."""
