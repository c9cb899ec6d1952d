// Package target writes a channel into a Kubernetes cluster through its API
// server.
//
// Each change is one object: it is applied on the server's side by the field
// manager "syncer", in waves, so that what others need is there before them.
// There are no transactions, so a revision of the source is no revision of the
// cluster. Instead every write can be repeated: the cursor follows the objects,
// and an importer that died in between applies again, which changes nothing.
//
// What was applied is in the [Inventory], a file: it spares requests, and it
// tells what is ours. An object that is in no inventory is never deleted. When the
// file is lost it is made anew from what the field manager owns. The position of
// the channel, and what has to wait, are ConfigMaps in the namespace
// syncer-system of the same cluster: they are lost with it, and only with it.
//
// Follow one transaction through the files: commit.go takes it, waves.go orders
// it, apply.go writes one object, judge.go tells what others did to it,
// classify.go what the server's refusal means. verify.go holds the inventory
// against what is there.
package target
