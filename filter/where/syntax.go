package where

import (
	"fmt"
	"strings"
)

const syntaxError = "Syntax error: "

// explainSyntax says what the parser could not read, in the words of somebody
// who writes an expression.
func explainSyntax(message string) (plain, hint string) {
	// The list of all that could follow helps nobody.
	message, _, _ = strings.Cut(message, " expecting ")
	kind, rest, _ := strings.Cut(message, " '")
	word := strings.TrimSpace(strings.TrimSuffix(rest, "'"))
	switch {
	case kind == "missing":
		end, _, _ := strings.Cut(rest, "'")
		return fmt.Sprintf("'%s' is missing here", end), "close what is open"
	case word == "<EOF>" || word == ".":
		return "the expression is unfinished", "write what comes next, or remove what waits for it"
	case word == "" || kind == message:
		return "not an expression in CEL: " + message, ""
	case strings.ContainsAny(word[:1], `'"`) && strings.HasPrefix(kind, "token"):
		return unreadText(word)
	}
	return fmt.Sprintf("not an expression in CEL: '%s' is not expected here", strings.Trim(word, "'")), operators[word]
}

// unreadText is about a text that begins with its quote and is not read.
func unreadText(word string) (plain, hint string) {
	if strings.Contains(word, `\`) {
		return "the text has an escape that CEL does not know", `write \\ for a plain backslash`
	}
	return "the text has no end", "close it with " + word[:1]
}

// operators are how other languages write those of CEL.
var operators = map[string]string{
	"=": "equality is ==", "&": "write && for and", "|": "write || for or",
	"and": "write && for and", "or": "write || for or", "not": "write ! for not",
}
