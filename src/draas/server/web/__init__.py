"""The dashboard's files, as they are served. `static/` beside this file is the build of the tree's web/ folder."""
