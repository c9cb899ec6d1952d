// Package ledger remembers conflicts and how they were resolved, in a bbolt
// file of bounded size. It is a record for people and holds nothing that
// replication needs: it may be deleted while nobody has it open.
package ledger
