package filter

import "fmt"

// Origin is the file and the line that name the policy, or "" when it was not
// loaded from a file.
func (p Policy) Origin() string {
	if p.doc == nil {
		return ""
	}
	line, _ := p.doc.At("metadata", "name").Position()
	return fmt.Sprintf("%s:%d", p.doc.File(), line)
}
