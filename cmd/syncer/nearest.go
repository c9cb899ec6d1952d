package main

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// nearest is the known word that a mistyped one most likely means, or "".
func nearest(word string, known []string) string {
	best, least := "", len(word)/3+2
	for _, k := range known {
		if len(word) >= 3 && strings.HasPrefix(k, strings.ToLower(word)) {
			return k
		}
		if d := mistakes(strings.ToLower(word), k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// mistakes is the number of typing errors between two words: letters that are
// added, missing or wrong, and neighbours that changed places.
func mistakes(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			next[j+1] = min(row[j+1], next[j]) + 1
			if a[i] == b[j] {
				next[j+1] = min(next[j+1], row[j])
			} else {
				next[j+1] = min(next[j+1], row[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// unknownFlag is the name of the flag that a parse error does not know, or "".
func unknownFlag(err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknown.GetSpecifiedName()
	}
	return ""
}
