// Package config reads the configuration files of the daemons: kind Exporter
// and kind Importer, apiVersion syncer/v1alpha1.
//
// A value comes from the first of these that sets it: a command-line flag, an
// environment variable, the file, the default. Flags and variables are
// [Overlay]s; [FromEnvironment] lists the variables. Relative paths in a file
// are relative to the file; in flags and variables, to the working directory.
//
// Loading reports every problem of the file, of its policies and of the files
// they name in one error of class fault.Usage, each with its place.
package config
