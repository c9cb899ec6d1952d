package importer

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
)

// assembly joins the parts of a frame that is larger than a message.
type assembly struct {
	frame change.Frame
	body  []byte
	want  uint32 // next part; 0 when none is open
	first uint64 // inbox record of the first part
}

func (p *assembly) open() bool { return p.want != 0 }

// join takes one message and gives the whole body when it is the last part. A
// first part forgets the parts of a frame that its exporter did not finish.
func (p *assembly) join(f change.Frame, record uint64) (body []byte, whole bool, err error) {
	if f.Part == 0 {
		*p = assembly{frame: f, first: record}
	} else if f.Part != p.want || f.Parts != p.frame.Parts || f.Kind != p.frame.Kind || f.Request != p.frame.Request || f.Last != p.frame.Last {
		at := p.want
		*p = assembly{}
		if !f.Kind.Chained() {
			return nil, false, nil // its first part was dropped; it is asked for again
		}
		return nil, false, fmt.Errorf("%w: part %d of %d of %v, expected part %d", ErrGap, f.Part, f.Parts, f.Kind, at)
	}
	if f.Parts == 1 {
		*p = assembly{}
		return f.Body, true, nil
	}
	if len(p.body)+len(f.Body) > change.MaxBody {
		return nil, false, fmt.Errorf("%w: %v of more than %d bytes", change.ErrMalformed, f.Kind, change.MaxBody)
	}
	p.body = append(p.body, f.Body...)
	p.want = f.Part + 1
	if p.want < f.Parts {
		return nil, false, nil
	}
	body = p.body
	*p = assembly{}
	return body, true, nil
}
