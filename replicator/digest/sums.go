package digest

import "slices"

// sums holds one item hash for each of many 64-bit hashes, in about 45 bytes
// for each. It grows one small bucket at a time (linear hashing), so that a
// table never needs room for itself twice. The hashes must be spread evenly.
type sums struct {
	buckets [][]entry
	mask    uint64 // the least 2^k-1 that is not below the last bucket's number
	count   int
}

type entry struct {
	hash uint64
	sum  Sum
}

const (
	// bucketEntries is how many entries there are for each bucket, at most. All
	// of a bucket are looked at, so more of them cost time; fewer cost memory.
	bucketEntries = 48
	// bucketStep is by how many entries the room in a bucket grows.
	bucketStep = 8
)

func newSums() sums { return sums{buckets: make([][]entry, 1)} }

// at is the number of the bucket of a hash.
func (s *sums) at(hash uint64) uint64 {
	if n := hash & s.mask; n < uint64(len(s.buckets)) {
		return n
	}
	return hash & (s.mask >> 1) // not split off yet
}

// put notes sum under a hash and gives what was there.
func (s *sums) put(hash uint64, sum Sum) (old Sum, found bool) {
	n := s.at(hash)
	bucket := s.buckets[n]
	for i := range bucket {
		if e := &bucket[i]; e.hash == hash {
			old, e.sum = e.sum, sum
			return old, true
		}
	}
	s.buckets[n] = with(bucket, entry{hash, sum})
	if s.count++; s.count > bucketEntries*len(s.buckets) {
		s.split()
	}
	return Sum{}, false
}

func (s *sums) has(hash uint64) bool {
	return slices.ContainsFunc(s.buckets[s.at(hash)], func(e entry) bool { return e.hash == hash })
}

// remove forgets a hash and gives what was there. The number of buckets stays:
// an empty one costs nothing worth a second mechanism.
func (s *sums) remove(hash uint64) (old Sum, found bool) {
	n := s.at(hash)
	bucket := s.buckets[n]
	for i := range bucket {
		if bucket[i].hash != hash {
			continue
		}
		old = bucket[i].sum
		last := len(bucket) - 1
		bucket[i] = bucket[last]
		s.buckets[n] = fitted(bucket[:last])
		s.count--
		return old, true
	}
	return Sum{}, false
}

// split adds a bucket, with entries of the one that held them so far.
func (s *sums) split() {
	n := uint64(len(s.buckets))
	if n > s.mask {
		s.mask = s.mask<<1 | 1
	}
	from := n & (s.mask >> 1)
	bucket, moves := s.buckets[from], 0
	for _, e := range bucket {
		if e.hash&s.mask == n {
			moves++
		}
	}
	stay, move := room(len(bucket)-moves), room(moves)
	for _, e := range bucket {
		if e.hash&s.mask == n {
			move = append(move, e)
		} else {
			stay = append(stay, e)
		}
	}
	s.buckets[from] = stay
	s.buckets = append(s.buckets, move)
}

// with is bucket with one more entry. It leaves less room than append would.
func with(bucket []entry, e entry) []entry {
	if len(bucket) == cap(bucket) {
		bucket = resized(bucket)
	}
	return append(bucket, e)
}

// fitted gives back room that a bucket has to spare.
func fitted(bucket []entry) []entry {
	if cap(bucket)-len(bucket) < 2*bucketStep {
		return bucket
	}
	return resized(bucket)
}

func resized(bucket []entry) []entry { return append(room(len(bucket)), bucket...) }

// room is an empty bucket for n entries, with some to spare.
func room(n int) []entry { return make([]entry, 0, (n/bucketStep+1)*bucketStep) }
