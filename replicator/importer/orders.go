package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

const (
	// maxOrders bounds the commands that wait.
	maxOrders = 16
	// rememberedOrders is how many IDs of commands are known again.
	rememberedOrders = 1024
)

// orders are the commands that wait to be carried out, in the order in which
// they came.
//
// They are kept in a file, so that an importer that is killed carries on with
// what it was told. One that was carried out just before may be carried out
// again: that does no harm.
type orders struct {
	path string

	mu      sync.Mutex
	waiting []command.Command
	active  []command.Command
	known   []string
	reached map[string]reached // by ID, of resyncs in full
	saved   time.Time          // when the file was written, or should have been
	come    chan struct{}      // has a token while waiting may hold something
}

func newOrders(dir string, logger *slog.Logger) *orders {
	o := &orders{path: filepath.Join(dir, "commands.json"), come: make(chan struct{}, 1), reached: make(map[string]reached)}
	if err := o.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		logger.Warn("the commands that waited cannot be read and are forgotten: give them again", "cause", err.Error())
	}
	o.signal()
	return o
}

func (o *orders) load() error {
	raw, err := os.ReadFile(o.path)
	if err != nil {
		return err
	}
	var f ordersFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("decode %s: %w", o.path, err)
	}
	if f.Format != ordersFormat {
		return fmt.Errorf("%s has format %d, this version reads format %d", o.path, f.Format, ordersFormat)
	}
	o.waiting, o.known = f.Waiting, f.Known
	maps.Copy(o.reached, f.Reached)
	return nil
}

// ordersFile is the form of the file.
type ordersFile struct {
	Format  int               `json:"format"`
	Waiting []command.Command `json:"waiting"`
	Known   []string          `json:"known"`
	// Reached is unknown to older versions: they begin a resync in full anew.
	Reached map[string]reached `json:"reached,omitempty"`
}

const ordersFormat = 1

// save replaces the file in one step; on return it is durable. mu is held.
func (o *orders) save() error {
	o.saved = time.Now()
	raw, err := json.Marshal(ordersFile{Format: ordersFormat, Waiting: append(slices.Clone(o.active), o.waiting...), Known: o.known, Reached: o.reached})
	if err != nil {
		return fmt.Errorf("encode the commands: %w", err)
	}
	if err := writeSynced(o.path, raw); err != nil {
		return fmt.Errorf("keep the commands: %w", err)
	}
	return nil
}

func writeSynced(path string, raw []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	failpoint.Hit(failpoint.OrdersBefore)
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	failpoint.Hit(failpoint.OrdersAfter)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (o *orders) signal() {
	select {
	case o.come <- struct{}{}:
	default:
	}
}

// add takes a command unless its ID was taken before.
func (o *orders) add(c command.Command) (taken bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slices.Contains(o.known, c.ID) {
		return false, nil
	}
	if len(o.waiting) >= maxOrders {
		return false, fmt.Errorf("%d commands wait already", maxOrders)
	}
	known, waiting := o.known, o.waiting
	o.remember(c.ID)
	o.waiting = append(slices.Clone(waiting), c)
	if err := o.save(); err != nil { // it is told of as failed
		o.known, o.waiting = known, waiting
		return false, err
	}
	o.signal()
	return true, nil
}

// remember knows an ID again. mu is held.
func (o *orders) remember(id string) {
	o.known = append(slices.Clone(o.known), id)
	o.known = o.known[max(len(o.known)-rememberedOrders, 0):]
}

// next takes the oldest command that may be carried out now.
func (o *orders) next(may func(command.Command) bool) (command.Command, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.waiting, may)
	if i < 0 {
		return command.Command{}, false
	}
	c := o.waiting[i]
	o.waiting = slices.Delete(o.waiting, i, i+1)
	o.active = append(o.active, c)
	return c, true
}

// done forgets a command that was carried out, or that waits and never will be.
func (o *orders) done(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	is := func(c command.Command) bool { return c.ID == id }
	o.active, o.waiting = slices.DeleteFunc(o.active, is), slices.DeleteFunc(o.waiting, is)
	delete(o.reached, id)
	return o.save()
}

// back has a command wait again, before all others.
func (o *orders) back(c command.Command) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.active = slices.DeleteFunc(o.active, func(a command.Command) bool { return a.ID == c.ID })
	o.waiting = slices.Insert(o.waiting, 0, c)
	o.signal()
}

// requeue has all commands wait again that a session did not finish.
func (o *orders) requeue() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting, o.active = append(o.active, o.waiting...), nil
	o.signal()
}

// all are the commands that wait.
func (o *orders) all() []command.Command {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.waiting)
}

// Command gives the importer a command. It is carried out later; the report of
// Status tells of it as a task. One that is not well-formed, or that comes
// while too many wait, is refused with an error; one whose ID came before is
// not carried out again. It may be called at any time.
func (im *Importer) Command(c command.Command) error {
	if err := c.Check(); err != nil {
		return err
	}
	taken, err := im.orders.add(c)
	if taken {
		im.view.task(command.Task{ID: c.ID, Verb: c.Verb, State: command.Waiting})
	}
	return err
}

// order takes a message that is a command; ok is false when it is another
// message, which goes to the inbox. A command that cannot be taken is told of
// as a task that failed.
func (im *Importer) order(message []byte) (ok bool) {
	c, ok, err := command.FromMessage(message)
	if !ok {
		return false
	}
	if err == nil {
		err = im.Command(c)
	}
	if err != nil {
		im.view.task(command.Task{ID: c.ID, Verb: c.Verb, State: command.Failed, Reason: err.Error()})
	}
	return true
}
