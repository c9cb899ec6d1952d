package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// checkFile wants a file that can be read and holds something, unless no file
// is named. It reports whether there is such a file.
func checkFile(at strictyaml.Spot, file string) bool {
	if file == "" {
		return false
	}
	data, ok := readFile(at, file)
	if ok && len(data) == 0 {
		at.Hint("check the path").Problemf("%q is empty", file)
		return false
	}
	return ok
}

// readFile reads a file that the configuration names.
func readFile(at strictyaml.Spot, file string) ([]byte, bool) {
	data, err := readRegular(file)
	if err != nil {
		at.Hint("check the path and its permissions").Problemf("cannot read %q: %v", file, cause(err))
	}
	return data, err == nil
}

// readRegular refuses what is not a regular file: reading a pipe could wait
// forever, and gives its content only once.
func readRegular(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if info.Size() > strictyaml.MaxFileSize {
		return nil, fmt.Errorf("it is larger than %v", strictyaml.Bytes(strictyaml.MaxFileSize))
	}
	return os.ReadFile(file)
}

// cause is what the operating system said, without the path.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
