package workload

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Kind is what an operation does.
type Kind int

// The kinds of operations.
const (
	Put Kind = iota
	Repeat
	Delete
	PrefixDelete
	Txn
	kinds
)

func (k Kind) String() string {
	return [...]string{"put", "repeat", "delete", "prefix-delete", "txn"}[k]
}

// Op is one request to etcd: one operation, or the operations of one
// transaction.
type Op struct {
	Kind Kind
	Ops  []clientv3.Op
}

// Generator makes operations. The same seed and shape make the same
// operations. It is not safe for concurrent use.
type Generator struct {
	shape  Shape
	random *rand.Rand
	wrote  map[string]string // what this generator wrote last, to repeat it
	serial int
}

// NewGenerator makes a generator.
func NewGenerator(seed uint64, shape Shape) (*Generator, error) {
	shape, err := shape.complete()
	if err != nil {
		return nil, err
	}
	return &Generator{shape: shape, random: rand.New(rand.NewPCG(seed, 0)), wrote: map[string]string{}}, nil
}

// Next makes the next operation. The weights keep most keys alive: about two
// in three operations write.
func (g *Generator) Next() Op {
	switch n := g.random.IntN(100); {
	case n < 45:
		return Op{Kind: Put, Ops: []clientv3.Op{g.put(g.key())}}
	case n < 55:
		return g.repeat()
	case n < 70:
		return Op{Kind: Delete, Ops: []clientv3.Op{g.delete(g.key())}}
	case n < 73:
		return g.prefixDelete()
	default:
		return g.txn()
	}
}

func (g *Generator) put(key string) clientv3.Op {
	g.serial++
	value := g.value()
	g.wrote[key] = value
	return clientv3.OpPut(key, value)
}

func (g *Generator) delete(key string) clientv3.Op {
	delete(g.wrote, key)
	return clientv3.OpDelete(key)
}

// repeat writes what a key already has, if this generator ever wrote it.
func (g *Generator) repeat() Op {
	key := g.key()
	value, ok := g.wrote[key]
	if !ok {
		return Op{Kind: Put, Ops: []clientv3.Op{g.put(key)}}
	}
	return Op{Kind: Repeat, Ops: []clientv3.Op{clientv3.OpPut(key, value)}}
}

func (g *Generator) prefixDelete() Op {
	prefix := g.group(g.prefix(), g.random.IntN(groups))
	return Op{Kind: PrefixDelete, Ops: []clientv3.Op{clientv3.OpDelete(prefix, clientv3.WithPrefix())}}
}

// txn changes several keys at one revision. A key may be written only once in a
// transaction, so keys drawn twice are left out.
func (g *Generator) txn() Op {
	op := Op{Kind: Txn}
	taken := map[string]bool{}
	for range 2 + g.random.IntN(g.shape.MaxTxnOps-1) {
		key := g.key()
		if taken[key] {
			continue
		}
		taken[key] = true
		if g.random.IntN(4) == 0 {
			op.Ops = append(op.Ops, g.delete(key))
		} else {
			op.Ops = append(op.Ops, g.put(key))
		}
	}
	return op
}

func (g *Generator) prefix() string {
	return g.shape.Prefixes[g.random.IntN(len(g.shape.Prefixes))]
}

func (g *Generator) group(prefix string, n int) string {
	return fmt.Sprintf("%sg%d/", prefix, n)
}

// key draws a key. One in twenty ends in bytes that are not text, among them
// the first and the last byte there is.
func (g *Generator) key() string {
	n := g.random.IntN(g.shape.Keys)
	key := fmt.Sprintf("%sk%05d", g.group(g.prefix(), n%groups), n)
	if !g.shape.TextOnly && n%20 == 7 {
		key += string([]byte{0x00, 0xff, byte(n), 0x00})
	}
	return key
}

// value is empty, short, or up to the largest size, and differs from every
// value before it unless it is empty.
func (g *Generator) value() string {
	largest := g.shape.MaxValue
	switch n := g.random.IntN(20); {
	case n == 0:
		return ""
	case n < 15:
		largest = min(100, largest)
	}
	size := g.random.IntN(largest + 1)
	stamp := fmt.Sprintf("%x.%x ", g.serial, g.random.Uint32())
	return stamp[:min(len(stamp), g.shape.MaxValue)] + g.filling(size-len(stamp))
}

// filling is text that compresses about as badly as base64.
func (g *Generator) filling(size int) string {
	if size <= 0 {
		return ""
	}
	b := make([]byte, size*3/4)
	for i := range b {
		b[i] = byte(g.random.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)[:len(b)]
}
