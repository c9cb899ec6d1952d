// Package schema holds the JSON Schema of policies, with which editors
// complete and check them. It is made from the structs of package filter and
// their comments; what only a whole policy can get wrong, such as two rules
// for one key, is found by syncer policy validate.
package schema

import _ "embed"

//go:generate go test -run TestPolicyIsUpToDate -update .

//go:embed policy.json
var policy []byte

// Policy is the JSON Schema (2020-12) of a policy.
func Policy() []byte { return append([]byte(nil), policy...) }
