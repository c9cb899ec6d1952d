package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// SocketName is the name of the socket in the data directory.
const SocketName = "control.sock"

// maxAddress is the longest path that every system takes as the address of a
// Unix socket: the smallest limit is 104 bytes with a zero at the end.
const maxAddress = 103

// listen makes the socket and takes the place of a stale one. The caller holds
// the lock of the directory.
//
// The socket is made in a directory that only this user may enter and moves to
// its place with its final mode, so that there is no moment at which somebody
// else may connect to it.
func listen(ctx context.Context, dir string) (net.Listener, error) {
	if err := sweep(dir); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(dir, privatePrefix)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(private) }() // the next start sweeps what is left
	l, err := bind(ctx, private)
	if err != nil {
		return nil, err
	}
	made := filepath.Join(private, SocketName)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, filepath.Join(dir, SocketName))); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

const privatePrefix = ".control-"

// sweep removes what a process that was killed while it listened left behind.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, privatePrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for old sockets in %s: %w", dir, err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func bind(ctx context.Context, dir string) (net.Listener, error) {
	var l net.Listener
	err := withAddress(dir, func(address string) error {
		var err error
		l, err = new(net.ListenConfig).Listen(ctx, "unix", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // its address is not where it will be
	}
	return l, nil
}

// dial connects to the socket of a data directory.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	var c net.Conn
	err := withAddress(dir, func(address string) error {
		var err error
		c, err = new(net.Dialer).DialContext(ctx, "unix", address)
		return err
	})
	return c, err
}

// withAddress calls fn with an address for the socket in dir that is short
// enough. A path that is too long is reached through a symbolic link in a
// private directory, which is needed only while fn runs.
func withAddress(dir string, fn func(address string) error) error {
	path, err := filepath.Abs(filepath.Join(dir, SocketName))
	if err != nil {
		return fmt.Errorf("find %s: %w", dir, err)
	}
	if len(path) <= maxAddress {
		return fn(path)
	}
	short, err := shortDir()
	if err != nil {
		return fmt.Errorf("the path %s is longer than the %d bytes that a socket may have, and there is no other way to it: %w", path, maxAddress, err)
	}
	link := filepath.Join(short, "d")
	if err = os.Symlink(filepath.Dir(path), link); err == nil {
		err = fn(filepath.Join(link, SocketName))
	}
	return errors.Join(err, os.RemoveAll(short))
}

// shortDir makes a private directory with a short path.
func shortDir() (string, error) {
	for _, base := range []string{os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(base, "syncer-")
		if err != nil {
			return "", err
		}
		if len(filepath.Join(dir, "d", SocketName)) <= maxAddress {
			return dir, nil
		}
		if err := os.Remove(dir); err != nil {
			return "", err
		}
	}
	return "", errors.New("the paths of all temporary directories are too long")
}

// unlink removes the socket, if it is there.
func unlink(dir string) error {
	if err := os.Remove(filepath.Join(dir, SocketName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
