package importer

import (
	"fmt"
	"slices"
	"sync"

	"github.com/syncer-io/syncer/replicator/command"
)

const (
	// maxOrders bounds the commands that wait.
	maxOrders = 16
	// rememberedOrders is how many IDs of commands are known again.
	rememberedOrders = 1024
)

// orders are the commands that wait to be carried out, in the order in which
// they came.
type orders struct {
	mu      sync.Mutex
	waiting []command.Command
	known   []string
	come    chan struct{} // has a token while waiting may hold something
}

func newOrders() *orders { return &orders{come: make(chan struct{}, 1)} }

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
	o.remember(c.ID)
	o.waiting = append(o.waiting, c)
	select {
	case o.come <- struct{}{}:
	default:
	}
	return true, nil
}

// remember knows an ID again. mu is held.
func (o *orders) remember(id string) {
	if o.known = append(o.known, id); len(o.known) > rememberedOrders {
		o.known = slices.Delete(o.known, 0, 1)
	}
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
	return c, true
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
