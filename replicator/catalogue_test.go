package replicator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// row is one fault of the catalogue: what is tested, and the functions that do
// it, each as the last folder of its package and its name. A row that cannot be
// tested here says why, with the nearest tests.
type row struct {
	id      string
	what    string
	tests   string // separated by spaces
	notHere string // reason; tests are then the nearest ones
}

// catalogue names the faults that replication must survive: S at the source and
// the exporter, N on the way, D at the edge, R during resync and verification.
// Tests named TestFault run with `make fault`.
var catalogue = []row{
	{id: "S1", what: "the exporter is killed at any moment",
		tests: "syncer.TestKilledDaemonsComeBack syncer.TestFailpoints syncer.TestFaultFailpoints syncer.TestFaultKilledDaemons syncer.TestFaultKilledOneAtATime e2e.TestExporterStopsWithinAComparison e2e.TestExporterIndexIsOlderThanTheStream"},
	{id: "S2", what: "an acknowledgement is lost after the message was stored",
		tests: "jetstream.TestLostAcknowledgement e2e.TestAcknowledgementIsLost e2e.TestLinkIsCut"},
	{id: "S3", what: "two exporters start together",
		tests: "e2e.TestTwoExportersStartTogether jetstream.TestTwoPublishersNeverInterleave"},
	{id: "S4", what: "the active exporter is stopped for longer than every timeout, and goes on",
		tests: "syncer.TestFaultStoppedExporter e2e.TestStandbyTakesOver e2e.TestStaleExporterCannotPublish e2e.TestTwoExportersThroughALeaderLoss"},
	{id: "S5", what: "the source is killed, cut off, or silent",
		tests: "e2e.TestOutages e2e.TestSourceIsAway e2e.TestSourceIsAwayForOneOfTwoExporters e2e.TestSourceIsAwayForBothExporters syncer.TestFaultKilledEtcds source.TestWatchResumesOverRestarts source.TestFrozenLinkEndsTheWatch source.TestSilentWatchIsOpenedAgain source.TestUnreachableSourceEndsTheWatch"},
	{id: "S6", what: "the watch moves to a member that lags behind",
		tests: "source.TestWatchMovesToALaggingMember source.TestAssemblerRefusesEventsBehindAPromise source.TestWatchShowsTheTruth"},
	{id: "S7", what: "the source is compacted past the cursor while the exporter is down",
		tests: "e2e.TestExporterFarBehind e2e.TestExporterIndexIsOlderThanTheStream e2e.TestExporterComparesALot"},
	{id: "S8", what: "the source is compacted all the time during the first copy",
		tests: "e2e.TestFirstCopyUnderCompaction syncer.TestFaultBootstrapUnderCompaction source.TestReadsUnderCompaction"},
	{id: "S9", what: "compaction exactly at a delete's revision",
		tests: "source.TestDeleteAtTheCompactRevisionIsDelivered e2e.TestDeleteIsCompactedAway"},
	{id: "S10", what: "a slow exporter and a fast source",
		tests: "source.TestSlowSinkHoldsABoundedHeap source.TestSlowSinkUnderCompactionEndsCompactedWithoutAGap source.TestTooFarBehindIsRefused"},
	{id: "S11", what: "the source is restored with the ids it had, and written past the old revision",
		tests: "e2e.TestSourceRestored source.TestRestoredSourceWentBack source.TestReplacedSourceThatOvertookWentBack"},
	{id: "S12", what: "the source is restored with bumped revisions, everything below compacted",
		tests: "e2e.TestSourceRestoredWithBumpedRevisions"},
	{id: "S13", what: "the source is replaced by an empty cluster",
		tests: "e2e.TestSourceReplacedByAnEmptyCluster"},
	{id: "S14", what: "one transaction over two selected prefixes",
		tests: "source.TestTransactionOverSeveralPrefixesIsOneRevision e2e.TestTransactionOf128Operations"},
	{id: "S15", what: "a lease over 10,000 keys expires; a prefix of tens of thousands of keys is deleted",
		tests: "e2e.TestExpiryOf10000Keys e2e.TestDeleteOf20000Keys e2e.TestFaultDeleteOf50000Keys e2e.TestRevisionThatDoesNotFit source.TestPrefixDeleteIsOneRevision"},
	{id: "S16", what: "values at the limit, transactions of 128 operations",
		tests: "e2e.TestLargestValue e2e.TestValueOfTheSourcesLimit e2e.TestTransactionOf128Operations target.TestRaisedLimitsAreUsed target.TestTooFewOperations target.TestProbe"},
	{id: "S17", what: "a prefix is added to or removed from the selection under load",
		tests: "e2e.TestPrefixIsAddedUnderLoad e2e.TestRuleLeavesThePolicy e2e.TestOrphansOfADroppedRule e2e.TestMappingChangesUnderLoad"},
	{id: "S18", what: "the right to read is revoked, or covers a part of the prefix only",
		tests: "e2e.TestSourceRefusesTheExporter e2e.TestOneChannelFailsAndTheOtherGoesOn source.TestRevokedPermissionEndsTheNextStream source.TestPartOfThePermissionIsAnError"},
	{id: "S19", what: "clocks jump",
		notHere: "a clock of one daemon cannot be moved beside the others; order, fencing and retention use no clock of ours",
		tests:   "status.TestMergeMeasuresTheLag pairing.TestTokenExpires"},
	{id: "S20", what: "a source below the least version",
		tests: "dial.TestCheckOfOldServers dial.TestVersions"},
	{id: "S21", what: "a watch without a first revision",
		tests: "source.TestWatchRefusesToBeginNow e2e.TestFirstCopyAndFollow e2e.TestExporterLosesItsIndex"},

	{id: "N1", what: "the link is down for a moment, for long, for longer than the stream reaches",
		tests: "e2e.TestLinkIsCut e2e.TestLinkIsBlackHoled syncer.TestFaultLongOutage e2e.TestHubOutage e2e.TestHubAwayWhileTheSourceCompacts e2e.TestSpoolIsFull e2e.TestMessagesLostBeforeTheEdgeReadThem e2e.TestLinkIsDownForLongerThanMaxAge"},
	{id: "N2", what: "the stream is purged, also in the middle of what is read",
		tests: "e2e.TestStreamPurged e2e.TestGapWhileFollowing e2e.TestMessagesLostBeforeTheEdgeReadThem syncer.TestFaultStreamLost"},
	{id: "N3", what: "the stream is deleted and made again",
		tests: "e2e.TestStreamDeleted e2e.TestStreamDeletedUnderLoad syncer.TestFaultStreamLost"},
	{id: "N4", what: "the hub loses what it acknowledged and did not sync",
		notHere: "no power is cut; the hub's directory is set back to an older copy instead",
		tests:   "e2e.TestHubRolledBack syncer.TestFaultHubRolledBack syncer.TestFaultEdgeBehindALostTail"},
	{id: "N5", what: "bits flip in the hub's store; a damaged node becomes the leader",
		tests: "e2e.TestHubStoreIsDamaged e2e.TestDamagedNodeBecomesLeader"},
	{id: "N6", what: "the stream's leader changes at each publish; nodes are killed again and again",
		tests: "e2e.TestHubClusterLosesItsLeader e2e.TestFaultHubClusterLosesItsLeader e2e.TestTwoExportersThroughALeaderLoss e2e.TestFaultTwoExportersThroughALeaderLoss testbed.TestHubClusterKeepsWhatItAcknowledged"},
	{id: "N7", what: "the consumer's state is lost, ahead of the stream, or set back",
		tests: "e2e.TestConsumerStateIsLost e2e.TestStreamDeletedUnderLoad"},
	{id: "N8", what: "messages come twice, out of order, late",
		tests: "e2e.TestMessagesComeTwiceAndOutOfOrder e2e.TestForeignMessages importer.TestLinkFollowsTheChainOnly importer.TestAssemblyJoinsPartsInOrder"},
	{id: "N9", what: "the exporter dies within a revision of several messages",
		tests: "e2e.TestHalfPublishedRevisionIsTakenOver e2e.TestExporterStopsWithinAComparison"},
	{id: "N10", what: "the hub's payload limit is below a frame",
		tests: "e2e.TestPayloadLimitIsLowered syncer.TestFaultUnfitHub conn.TestHubWithoutJetStreamAndWithSmallPayloads"},
	{id: "N11", what: "the stream takes nothing more",
		tests: "e2e.TestStreamTakesNoMore hub.TestStoreComesBackAfterAFullDisk"},
	{id: "N12", what: "a slow link that breaks, with 600 ms for a round trip",
		notHere: "loss of packets is simulated by connections that are cut and frozen",
		tests:   "e2e.TestResyncOverALongRoundTrip e2e.TestFirstCopyOverABadLink e2e.TestLinkIsThrottled syncer.TestFaultBadLink"},
	{id: "N13", what: "somebody else writes junk to the channel",
		tests: "e2e.TestForeignMessages e2e.TestJunkKeepsComing e2e.TestFrameThatCannotBeRead hub.TestEdgeIsRefusedEverythingElse hub.TestEdgeCannotUseTheServerAsItsHand"},
	{id: "N14", what: "the edge is shut out in the middle of its first copy",
		tests: "e2e.TestEdgeIsShutOutDuringTheFirstCopy"},

	{id: "D1", what: "the importer is killed at any moment, also between request and answer",
		tests: "syncer.TestKilledDaemonsComeBack syncer.TestFailpoints syncer.TestFaultFailpoints syncer.TestFaultKilledOneAtATime e2e.TestStopBetweenChangesetsOfOneFrame e2e.TestStopWithinATornRevision target.TestUnknownOutcomeAtTheEndOfTheContext"},
	{id: "D2", what: "a transaction times out and is committed",
		tests: "target.TestUnknownOutcome target.TestAppliedAlthoughNoSpace target.TestSilentNetwork"},
	{id: "D3", what: "two importers of one edge, also on a copied machine",
		tests: "e2e.TestTwoImportersOfOneEdge syncer.TestFaultTwoImporters target.TestFencing target.TestTwinIsFenced"},
	{id: "D4", what: "the edge's etcd is restored from an older snapshot",
		tests: "e2e.TestEdgeEtcdSetBack syncer.TestFaultTargetSetBack target.TestMoved"},
	{id: "D5", what: "the edge's etcd is wiped, the inbox kept",
		tests: "e2e.TestEdgeEtcdSetBack syncer.TestFaultTargetSetBack"},
	{id: "D6", what: "the inbox is deleted, cut short, damaged, or read-only",
		tests: "e2e.TestEdgeLoses syncer.TestFaultLostState wal.TestFlippedBitsNeverGiveWrongRecords wal.TestTruncatedFileOpensWithAVerifiedBeginning wal.TestReadOnlyDirectoryIsAnError syncer.TestFaultUnreadableDataDirectory"},
	{id: "D7", what: "no space for the inbox; no space in the edge's etcd",
		tests: "syncer.TestFaultFullDisk e2e.TestTargetIsFull wal.TestAppendWithoutSpaceFailsAndCanBeTriedAgain target.TestNoSpaceAndRecovery"},
	{id: "D8", what: "the inbox loses unsynced pages in a power cut",
		notHere: "no power is cut; files are damaged, cut short and set back instead",
		tests:   "wal.TestFlippedBitsOpenWithAVerifiedBeginning wal.TestTruncatedFileOpensWithAVerifiedBeginning wal.TestOneBadMetaPageIsNamedAndRepaired e2e.TestEdgeLoses"},
	{id: "D9", what: "the edge's etcd is compacted and defragmented while it is written",
		tests: "e2e.TestTargetIsCompactedAndDefragmented"},
	{id: "D10", what: "the edge's limits are lower than needed",
		tests: "target.TestProbe target.TestTooFewOperations target.TestServerLimitIsTooLarge"},
	{id: "D11", what: "a value that the edge never takes, a key that it may not write",
		tests: "e2e.TestPoison e2e.TestPoisonInTheFirstCopy e2e.TestDropAndRetry target.TestRefusedAgreesWithCommit target.TestPermissionDeniedNamesTheKey target.TestServerLimitIsTooLarge"},
	{id: "D12", what: "changes arrive faster than they are applied",
		tests: "e2e.TestApplyingIsSlowerThanArriving wal.TestFullLogBlocksAppendUntilTruncated wal.TestFileStaysBoundedOverManyCycles"},
	{id: "D13", what: "the cursor is deleted or edited by hand",
		tests: "e2e.TestCursorIsEdited e2e.TestCursorIsDamaged target.TestUnreadableCursorStops"},
	{id: "D14", what: "the format of a later version",
		tests: "e2e.TestFrameOfTheFuture change.TestDecodeFrameStopsAtUnknownFormat wal.TestUnknownFormatVersionIsNamedAndLeftAlone target.TestUnreadableCursorStops"},
	{id: "D15", what: "the edge's store is a kine, which takes one key per transaction",
		tests: "syncer.TestEdgeOnKine kine.TestDetect kine.TestCrashWithinACommit kine.TestCrashWithinAChunk kine.TestCrashWhileParking kine.TestCrashWhileReleasing kine.TestServerIsKilledUnderWrites kine.TestDiskIsFull kine.TestFencing kine.TestGuards kine.TestWatchBesideOurWrites kine.TestUnfitKeysAreRefused target.TestKineIsRefused"},
	{id: "D16", what: "the importer stands still for long, another one takes over, and the first goes on",
		tests: "syncer.TestFaultStoppedImporter e2e.TestFrozenImporterIsOvertaken syncer.TestFaultPausedDaemons target.TestFencing"},

	{id: "C1", what: "somebody at the edge writes between the importer's decision and its commit",
		tests: "importer.TestEditBetweenDecisionAndCommit importer.TestChunkSparesWhatWasNotSeen importer.TestEditBeforeAMendIsPutBack target.TestDirtyCommitWritesNothing kine.TestGuards"},
	{id: "C2", what: "deleted on one side and updated on the other; made on both",
		tests: "importer.TestEveryConflictHasItsNameAndBothValues importer.TestResolveRestoresWhatLost conflict.TestDecideModel"},
	{id: "C3", what: "one key of a transaction of 50 was changed at the edge",
		tests: "importer.TestGroupIsNeverHalf importer.TestCleanKeyOfAHeldChangeIsOnRecord conflict.TestDecideGroupModel"},
	{id: "C4", what: "two pairs in opposite directions, 100,000 operations each way, links that come and go",
		tests: "e2e.TestTwoWayPairsDoNotEcho e2e.TestFaultTwoWayPairsDoNotEcho"},
	{id: "C5", what: "three clusters in a ring", tests: "e2e.TestRingOfThreeDoesNotCirculate"},
	{id: "C6", what: "the same value on both sides", tests: "importer.TestSameValueIsNoConflict"},
	{id: "C7", what: "a user writes below /syncer/ at the target",
		tests: "e2e.TestCursorIsEdited e2e.TestCursorIsDamaged target.TestUnreadableCursorStops filter.TestOwnPrefixNeverCrosses"},
	{id: "C8", what: "what was known of local edits is lost in a crash",
		tests: "importer.TestEditsWhileAwayAreSeenFirst importer.TestMergeSurvivesTheEndOfTheImporter e2e.TestLocalEditIsPutBackOffline syncer.TestFaultFailpoints target.TestWatchTellsOfOthersOnly target.TestWatchOfCompactedHistory"},
	{id: "C9", what: "a cluster would export what an importer writes there",
		tests: "e2e.TestOverlappingOwnershipIsRefused e2e.TestOverlappingOwnershipBelowAnAPIServerIsRefused e2e.TestOverlappingOwnershipPastAnAPIServerIsRefused e2e.TestOverlappingOwnershipOfAKubeClusterIsRefused"},
	{id: "R1", what: "few and many differences",
		tests: "e2e.TestFewAndManyDifferences e2e.TestFaultFewAndManyDifferences digest.TestCompareFindsEveryDifference digest.TestPrintsOfScatteredDifferencesAreSmall digest.TestPageOf100000KeysIsSmall digest.TestCoalesce target.TestReplaceIsExact e2e.TestResyncOverALongRoundTrip"},
	{id: "R2", what: "deletes, renames, and delete and create again during an outage",
		tests: "e2e.TestRenamesDuringAnOutage"},
	{id: "R3", what: "resync while the source is written at full rate",
		tests: "e2e.TestResyncAtFullRate exporter.TestOverlayIsTheContentLater"},
	{id: "R4", what: "either side is killed in the middle of a resync",
		tests: "e2e.TestResyncSurvivesARestart syncer.TestFaultFailpoints syncer.TestFaultBootstrapUnderCompaction syncer.TestFaultKilledOneAtATime e2e.TestFirstCopyOverABadLink"},
	{id: "R5", what: "a digest page that is damaged, or of another lineage",
		tests: "e2e.TestForgedPage change.TestDecodePageRefuses change.TestDecodePageTakesNoHole digest.TestCompareRefusesDisorder"},
	{id: "R6", what: "reads fail during a comparison",
		tests: "e2e.TestTargetIsSilentDuringAComparison source.TestPartOfThePermissionIsAnError source.TestReadsPassOnTheErrorOfTheirFunction e2e.TestOutages importer.TestComparisonThatStandsStillEnds syncer.TestScripts"},
	{id: "R7", what: "a value at the edge is changed behind syncer's back",
		tests: "e2e.TestLocalEdit e2e.TestLocalEditsUnderLoad e2e.TestDiffNamesWhatDiffers syncer.TestScripts"},
	{id: "R8", what: "the digests that both sides keep disagree",
		tests: "e2e.TestDigestTellsWhatNobodySaw e2e.TestIndexThatIsWrong e2e.TestLocalEdit digest.TestTableAgainstModel"},
	{id: "R9", what: "a resync would delete more than the guard allows",
		tests: "e2e.TestAbsenceIsNeverADelete e2e.TestGuardLetsFewDeletesPass e2e.TestApprove"},
	{id: "R10", what: "many edges compare at once",
		tests: "e2e.TestManyEdgesShareOnePage digest.TestPageOf100000KeysIsSmall"},
	{id: "R11", what: "the mapping changes, and the edge stops in between",
		tests: "e2e.TestPolicyIsAppliedUnderLoad e2e.TestMappingChangesUnderLoad target.TestContained filter.TestMapIsInjective"},
	{id: "P1", what: "the exporter or the hub dies while a policy is applied",
		tests: "syncer.TestFaultFailpoints syncer.TestFaultKilledWhilePoliciesAreApplied e2e.TestStandbyTakesOverWithAppliedPolicies"},
	{id: "P2", what: "the hub or the exporter loses the policies that were applied",
		tests: "e2e.TestAppliedPoliciesAreLost exporter.TestChannelsAreRecalled"},
	{id: "P3", what: "a policy would delete much, or leave edges without a channel",
		tests: "e2e.TestGuardStopsAnApply e2e.TestGuardStopsAnApplyThatDeletesOrphans exporter.TestPlan exporter.TestPlanPerEdge exporter.TestPlanOfReleasedKeys"},
	{id: "P4", what: "an edge tries to read what is another's",
		tests: "e2e.TestFleetOfSlices"},
}

// rows are those that the catalogue has to have.
func rows() (ids []string) {
	for _, part := range []struct {
		letter string
		last   int
	}{{"S", 21}, {"N", 14}, {"D", 16}, {"C", 9}, {"R", 11}} {
		for i := 1; i <= part.last; i++ {
			ids = append(ids, part.letter+strconv.Itoa(i))
		}
	}
	return ids
}

func TestCatalogueNamesATestForEachFault(t *testing.T) {
	tests := testFunctions(t)
	var ids []string
	for _, r := range catalogue {
		if slices.Contains(ids, r.id) {
			t.Errorf("%s is there twice", r.id)
		}
		ids = append(ids, r.id)
		named := strings.Fields(r.tests)
		if len(named) == 0 {
			t.Errorf("%s, %s: no test", r.id, r.what)
		}
		for _, name := range named {
			if !tests[name] {
				t.Errorf("%s, %s: there is no %s", r.id, r.what, name)
			}
		}
	}
	for _, id := range rows() {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is missing", id)
		}
	}
}

// testFunctions are the tests of the module, those behind build tags included.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found[path.Base(path.Dir(file))+"."+f.Name.Name] = true
			}
		}
	}
	return found
}
