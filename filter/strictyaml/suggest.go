package strictyaml

import (
	"fmt"
	"strings"
)

// suggest is a hint for a word that is not among the known ones, and the known
// word it guesses, or "" when none is near.
func suggest(word string, known []string) (hint, guess string) {
	if guess = Nearest(word, known); guess != "" {
		return fmt.Sprintf("did you mean %q?", guess), guess
	}
	return "use " + oneOf(known), ""
}

// oneOf lists the choices as "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Nearest is the known word with the fewest typing mistakes, when there are
// few enough of them to be mistakes, or the one that word is the start of. Up
// to five letters may have one mistake, and each three more one more.
func Nearest(word string, known []string) string {
	best, bestDistance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if len(word) >= 4 && strings.HasPrefix(strings.ToLower(k), strings.ToLower(word)) {
			return k
		}
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d < bestDistance && d < len(k) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the number of letters to change, add, take away, or swap with the
// next one, to make one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // from a[:i] to each b[:j]
	for j := range row {
		row[j] = j
	}
	var before []int
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
