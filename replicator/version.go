package replicator

// Version is the version of this build. The linker sets it.
var Version = "dev"
