"""From a source folder or an archive to what can be built: which files belong, packed, unpacked, recognised."""
