package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/syncer-io/syncer/replicator/config"
)

// Kind is the head of every object that is printed for programs.
type Kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

func kind(name string) Kind { return Kind{APIVersion: config.APIVersion, Kind: name} }

// output is the -o flag of a command that prints data.
type output struct {
	format string
}

func (o *output) addFlags(cmd *cobra.Command) {
	o.format = "text"
	cmd.Flags().VarP(oneOf{&o.format, []string{"text", "wide", "json", "yaml", "name"}}, "output", "o", "form of the output")
}

func (o *output) wide() bool { return o.format == "wide" }

// forPeople reports whether the output is text.
func (o *output) forPeople() bool { return o.format == "text" || o.format == "wide" }

// print writes object, or for people what text draws, or only the names.
func (o *output) print(w io.Writer, object any, text func(*page), names ...string) error {
	switch o.format {
	case "json":
		return printJSON(w, object)
	case "yaml":
		return printYAML(w, object)
	case "name":
		for _, name := range names {
			if _, err := fmt.Fprintln(w, name); err != nil {
				return err
			}
		}
		return nil
	default:
		var p page
		text(&p)
		_, err := io.WriteString(w, p.String())
		return err
	}
}

func printJSON(w io.Writer, object any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(object)
}

// printYAML goes by way of JSON, so that both have the same fields.
func printYAML(w io.Writer, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(data, &node); err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	block(&node)
	data, err = yaml.Marshal(&node)
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	_, err = w.Write(data)
	return err
}

// block writes out what JSON has in braces and quotes, except where some YAML
// reader needs the quotes.
func block(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode && !(n.ShortTag() == "!!str" && needsQuotes(n.Value)) {
		n.Style = 0
	}
	for _, child := range n.Content {
		block(child)
	}
}

// needsQuotes reports whether a text is anything else to some YAML reader when it
// stands without quotes.
func needsQuotes(text string) bool {
	data, err := yaml.Marshal(text)
	return err != nil || len(data) == 0 || data[0] == '"' || data[0] == '\''
}
