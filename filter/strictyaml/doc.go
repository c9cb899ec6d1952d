// Package strictyaml reads YAML files that people write by hand. Whatever is
// wrong with a file is said in one pass, each problem with its line, its
// column, the line of the source and, where one can be guessed, the fix.
//
// Reading goes in three steps that all add to one [Report]: [Parse] splits a
// file into documents, [Document.Decode] fills a struct, and the caller checks
// what the fields mean and attaches further problems with [Document.At].
// [Report.Err] is nil when nobody had anything to say.
//
// Strict means: no unknown field, no duplicate key, no value of another type,
// no field without a value, no text that some YAML reader takes for a boolean,
// no anchors, aliases, merge keys or tags.
//
// Struct fields are named by a yaml tag. `yaml:"name,required"` makes a
// missing field a problem; `item:"rule"` on a list or map names its entries in
// messages. A field may be a string, bool, int, int64, [time.Duration],
// [Bytes], an [Enum], an encoding.TextUnmarshaler, a struct, a list, a map
// with string keys, or a pointer to one of them. A field of type any takes a
// value of any shape as JSON would hold it: map[string]any, []any, string,
// bool, int64, float64, or nil where the file says null.
package strictyaml
