package source

// pace chooses how many keys the next request asks for, so that answers stay
// near a number of bytes although the sizes of values are not known before.
type pace struct {
	limit, max int
	target     int // bytes
}

// seen adapts the limit to the size of an answer.
func (p *pace) seen(items []Item) {
	size := 0
	for _, it := range items {
		size += len(it.Key) + len(it.Value)
	}
	switch {
	case size < p.target/2:
		p.limit = min(2*p.limit, p.max)
	case size > p.target:
		p.limit = max(p.limit/2, 1)
	}
}
