package failpoint

// Name is one moment in the life of a process. Its first word is the package
// that hits it.
type Name string

// The exporter's moments.
const (
	// The data directory's name is written beside its place.
	InstanceBefore Name = "replicator.instance.before"
	// The data directory's name is in place.
	InstanceAfter Name = "replicator.instance.after"
	// The stream's tail is about to be looked for.
	TailReadBefore Name = "exporter.tail-read.before"
	// The stream's tail is known, and nothing is decided.
	TailReadAfter Name = "exporter.tail-read.after"
	// A batch of the watch is here, and nothing is done about it.
	WatchTaken Name = "exporter.watch.taken"
	// A batch is in the index and in the open frame, and not published.
	WatchIndexed Name = "exporter.watch.indexed"
	// Everything that was published is acknowledged, the index is not durable.
	IndexCommitBefore Name = "exporter.index-commit.before"
	// The index is durable.
	IndexCommitAfter Name = "exporter.index-commit.after"
	// The index is made anew, and edges do not know it.
	ResetPublishBefore Name = "exporter.reset-publish.before"
	// The reset is sent, the index is not durable.
	ResetPublishAfter Name = "exporter.reset-publish.after"
	// What a comparison found is in the index, and not published.
	DifferencePublishBefore Name = "exporter.difference-publish.before"
	// What a comparison found is sent.
	DifferencePublishAfter Name = "exporter.difference-publish.after"
	// A heartbeat is due.
	HeartbeatBefore Name = "exporter.heartbeat.before"
	// A heartbeat is sent.
	HeartbeatAfter Name = "exporter.heartbeat.after"
	// One part of a frame is sent, and the next is not.
	PartSent Name = "exporter.part.sent"
	// An edge may attach, and its consumer is as it was.
	ConsumerSetBefore Name = "exporter.consumer-set.before"
	// An edge's consumer is new, and the edge does not know.
	ConsumerSetAfter Name = "exporter.consumer-set.after"
	// A digest page was asked for.
	PagePublishBefore Name = "exporter.page-publish.before"
	// A digest page is sent.
	PagePublishAfter Name = "exporter.page-publish.after"
	// A range was asked for.
	ChunkReadBefore Name = "exporter.chunk-read.before"
	// A range is read.
	ChunkReadAfter Name = "exporter.chunk-read.after"
	// It is a chunk's turn in the order of the frames.
	ChunkPublishBefore Name = "exporter.chunk-publish.before"
	// A chunk is sent.
	ChunkPublishAfter Name = "exporter.chunk-publish.after"

	// Policies may be applied, and are stored nowhere.
	PolicyStoreBefore Name = "exporter.policy-store.before"
	// The hub holds policies, and the exporter has no copy.
	PolicyStoreAfter Name = "exporter.policy-store.after"
	// The copy of applied policies is written beside its place.
	PolicyCopyBefore Name = "exporter.policy-copy.before"
	// The copy of applied policies is in place, and no channel follows them.
	PolicyCopyAfter Name = "exporter.policy-copy.after"
	// The list of channels is written beside its place.
	LinesBefore Name = "exporter.lines.before"
	// The list of channels is in place.
	LinesAfter Name = "exporter.lines.after"

	// A message is about to be sent to the stream.
	PublishBefore Name = "jetstream.publish.before"
	// A message is sent, and not acknowledged.
	PublishAfter Name = "jetstream.publish.after"
	// A message is acknowledged, and nobody has noted it.
	AckBefore Name = "jetstream.ack.before"
	// An acknowledgement is noted.
	AckAfter Name = "jetstream.ack.after"
)

// The importer's moments.
const (
	// The exporter is about to be asked for a place in the stream.
	AttachBefore Name = "importer.attach.before"
	// The exporter has given a place in the stream.
	AttachAfter Name = "importer.attach.after"
	// The channel's profile is written beside its place.
	ProfileBefore Name = "importer.profile.before"
	// The channel's profile is in place.
	ProfileAfter Name = "importer.profile.after"
	// Messages are verified, and not in the inbox.
	AppendBefore Name = "importer.append.before"
	// Messages are durable in the inbox, and not acknowledged.
	AppendAfter Name = "importer.append.after"
	// Messages are acknowledged.
	Acknowledged Name = "importer.acknowledge.after"
	// Changes are folded into a transaction.
	CommitBefore Name = "importer.commit.before"
	// The target holds a transaction, and the importer's tables do not.
	CommitAfter Name = "importer.commit.after"
	// A key that somebody else wrote at the target is about to be put right.
	MendBefore Name = "importer.mend.before"
	// It is put right, and the importer does not know it.
	MendAfter Name = "importer.mend.after"
	// One part of a revision that does not fit is in the target, and others are not.
	TornBetween Name = "importer.torn.between"
	// The inbox is about to forget what is applied.
	TruncateBefore Name = "importer.truncate.before"
	// The inbox has forgotten what is applied.
	TruncateAfter Name = "importer.truncate.after"
	// A reset is here, and the cursor does not say so.
	ResetBefore Name = "importer.reset.before"
	// The cursor stands at a reset, and nothing is compared.
	ResetAfter Name = "importer.reset.after"
	// The edge goes to another place in the stream, and has forgotten nothing.
	RestartBefore Name = "importer.restart.before"
	// The inbox is empty, and the cursor does not know why.
	RestartBetween Name = "importer.restart.between"
	// The cursor stands at another place in the stream.
	RestartAfter Name = "importer.restart.after"
	// A page or ranges are about to be asked for.
	RequestBefore Name = "importer.request.before"
	// A page or ranges are asked for, or the question failed.
	RequestAfter Name = "importer.request.after"
	// A digest page is here.
	PageCompareBefore Name = "importer.page-compare.before"
	// The ranges that differ are known.
	PageCompareAfter Name = "importer.page-compare.after"
	// A chunk is here.
	ChunkReplaceBefore Name = "importer.chunk-replace.before"
	// A chunk is in the target.
	ChunkReplaceAfter Name = "importer.chunk-replace.after"
	// The target is about to be called equal, or no longer equal.
	ConsistentBefore Name = "importer.consistent.before"
	// The cursor says whether the target is equal.
	ConsistentAfter Name = "importer.consistent.after"
	// The commands that wait are written beside their place.
	OrdersBefore Name = "importer.orders.before"
	// The commands that wait are in place, and nobody has been told.
	OrdersAfter Name = "importer.orders.after"
	// Groups are to be stored at the target, which the cursor has not passed.
	ParkBefore Name = "importer.park.before"
	// The target holds groups, and the cursor does not count them.
	ParkAfter Name = "importer.park.after"
	// Groups are carried out or given up, and stored at the target.
	UnparkBefore Name = "importer.unpark.before"
	// The target does not hold the groups any more.
	UnparkAfter Name = "importer.unpark.after"

	// A new ledger of conflicts is complete in memory.
	LedgerCreateBefore Name = "ledger.create.before"
	// The ledger of conflicts and its name are durable.
	LedgerOpened Name = "ledger.open.after"
	// A damaged ledger is about to be set aside.
	LedgerAsideBefore Name = "ledger.aside.before"
	// A damaged ledger has another name, and there is no new one.
	LedgerAsideAfter Name = "ledger.aside.after"
	// What is put on record is complete in memory.
	LedgerWriteBefore Name = "ledger.write.before"
	// It is durable on record, and nothing is written over.
	LedgerWriteAfter Name = "ledger.write.after"

	// The cursor is about to be claimed.
	ClaimBefore Name = "target.claim.before"
	// The cursor is claimed, and the importer does not know.
	ClaimAfter Name = "target.claim.after"
	// The cursor is about to be read.
	CursorReadBefore Name = "target.cursor-read.before"
	// The cursor is read.
	CursorReadAfter Name = "target.cursor-read.after"
	// A transaction is about to be sent.
	TxnBefore Name = "target.txn.before"
	// The target has answered a transaction, and nobody has looked at it.
	TxnAfter Name = "target.txn.after"
	// One transaction of a chunk took effect.
	ChunkPart Name = "target.chunk.part"

	// A transaction of the log is complete in memory.
	WalCommitBefore Name = "wal.commit.before"
	// A transaction of the log is durable, and nobody has been told.
	WalCommitAfter Name = "wal.commit.after"
	// A new log is complete under its temporary name.
	WalRenameBefore Name = "wal.rename.before"
	// A new log has its name, which is not durable.
	WalRenameAfter Name = "wal.rename.after"
	// The name of a log is durable.
	WalNameSynced Name = "wal.name.synced"
	// What is sound of a damaged log is copied, and the log is where it was.
	WalAsideBefore Name = "wal.aside.before"
	// A damaged log has a second name, and the copy is not in its place.
	WalAsideAfter Name = "wal.aside.after"
)

// The importer's moments where the edge is a Kubernetes cluster.
const (
	// An empty inventory is complete in memory.
	InventoryMadeBefore Name = "target.inventory-made.before"
	// The inventory has all its parts, and nothing is said in it.
	InventoryMadeAfter Name = "target.inventory-made.after"
	// What was done to the cluster is not in the inventory.
	InventoryBefore Name = "target.inventory.before"
	// The inventory is durable.
	InventoryAfter Name = "target.inventory.after"
	// Our namespace is made for the first ConfigMap.
	NamespaceMade Name = "target.namespace.made"
	// A ConfigMap of our own is about to be written: the cursor, a group, what is released.
	MapPutBefore Name = "target.map-put.before"
	// The server has answered about a ConfigMap, and nobody has looked at it.
	MapPutAfter Name = "target.map-put.after"
	// A ConfigMap of our own is about to be deleted.
	MapRemoveBefore Name = "target.map-remove.before"
	// A ConfigMap of our own is deleted.
	MapRemoveAfter Name = "target.map-remove.after"
	// An object is about to be applied.
	ObjectApplyBefore Name = "target.apply.before"
	// The server has answered about an object, and nobody has looked at it.
	ObjectApplyAfter Name = "target.apply.after"
	// An object is about to be deleted.
	ObjectDeleteBefore Name = "target.delete.before"
	// The server has answered about a delete.
	ObjectDeleteAfter Name = "target.delete.after"
)

// The moments of syncer join.
const (
	// The edge's key is written beside its place.
	KeyBefore Name = "pairing.key.before"
	// The edge's key is in place.
	KeyAfter Name = "pairing.key.after"
	// The edge's key is durable, and the hub does not know it.
	GrantBefore Name = "pairing.grant.before"
	// The hub has granted the edge its name, and the edge has nothing on disk that says so.
	GrantAfter Name = "pairing.grant.after"
	// edge.yaml is written beside its place.
	ConfigBefore Name = "syncer.edge-file.before"
	// edge.yaml is in place.
	ConfigAfter Name = "syncer.edge-file.after"
	// A pair is about to be recorded at the hub.
	RecordBefore Name = "pairing.record.before"
	// A pair is recorded at the hub, and who did it does not know.
	RecordAfter Name = "pairing.record.after"
)

// All is every name, in the order of the file.
var All = []Name{
	InstanceBefore,
	InstanceAfter,
	TailReadBefore,
	TailReadAfter,
	WatchTaken,
	WatchIndexed,
	IndexCommitBefore,
	IndexCommitAfter,
	ResetPublishBefore,
	ResetPublishAfter,
	DifferencePublishBefore,
	DifferencePublishAfter,
	HeartbeatBefore,
	HeartbeatAfter,
	PartSent,
	ConsumerSetBefore,
	ConsumerSetAfter,
	PagePublishBefore,
	PagePublishAfter,
	ChunkReadBefore,
	ChunkReadAfter,
	ChunkPublishBefore,
	ChunkPublishAfter,
	PolicyStoreBefore,
	PolicyStoreAfter,
	PolicyCopyBefore,
	PolicyCopyAfter,
	LinesBefore,
	LinesAfter,
	PublishBefore,
	PublishAfter,
	AckBefore,
	AckAfter,
	AttachBefore,
	AttachAfter,
	ProfileBefore,
	ProfileAfter,
	AppendBefore,
	AppendAfter,
	Acknowledged,
	CommitBefore,
	CommitAfter,
	MendBefore,
	MendAfter,
	TornBetween,
	TruncateBefore,
	TruncateAfter,
	ResetBefore,
	ResetAfter,
	RestartBefore,
	RestartBetween,
	RestartAfter,
	RequestBefore,
	RequestAfter,
	PageCompareBefore,
	PageCompareAfter,
	ChunkReplaceBefore,
	ChunkReplaceAfter,
	ConsistentBefore,
	ConsistentAfter,
	OrdersBefore,
	OrdersAfter,
	ParkBefore,
	ParkAfter,
	UnparkBefore,
	UnparkAfter,
	LedgerCreateBefore,
	LedgerOpened,
	LedgerAsideBefore,
	LedgerAsideAfter,
	LedgerWriteBefore,
	LedgerWriteAfter,
	ClaimBefore,
	ClaimAfter,
	CursorReadBefore,
	CursorReadAfter,
	TxnBefore,
	TxnAfter,
	ChunkPart,
	WalCommitBefore,
	WalCommitAfter,
	WalRenameBefore,
	WalRenameAfter,
	WalNameSynced,
	WalAsideBefore,
	WalAsideAfter,
	InventoryMadeBefore,
	InventoryMadeAfter,
	InventoryBefore,
	InventoryAfter,
	NamespaceMade,
	MapPutBefore,
	MapPutAfter,
	MapRemoveBefore,
	MapRemoveAfter,
	ObjectApplyBefore,
	ObjectApplyAfter,
	ObjectDeleteBefore,
	ObjectDeleteAfter,
	KeyBefore,
	KeyAfter,
	GrantBefore,
	GrantAfter,
	ConfigBefore,
	ConfigAfter,
	RecordBefore,
	RecordAfter,
}
