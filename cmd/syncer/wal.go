package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/wal"
)

func newWAL() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "wal",
		GroupID: groupLook,
		Short:   "Look into an importer's inbox on disk",
		Long: `Look into the write-ahead log in which an importer keeps what it has received and
not yet applied. Nothing is changed. Losing the log costs time, never data.`,
	}
	group(cmd)
	cmd.AddCommand(newWALInspect(), newWALVerify())
	return cmd
}

// logView describes a log file for programs.
type logView struct {
	Kind
	Path      string `json:"path"`
	Format    int    `json:"format"`
	First     uint64 `json:"firstSequence"`
	Next      uint64 `json:"nextSequence"`
	Records   uint64 `json:"records"`
	Bytes     int64  `json:"bytes"`
	FileBytes int64  `json:"fileBytes"`
	PageSize  int    `json:"pageSize"`
	Pages     int    `json:"pages"`
	FreePages int    `json:"freePages"` // -1: not known
	InUse     bool   `json:"inUse"`
	Damage    string `json:"damage,omitempty"`
}

func viewLog(s wal.Summary) logView {
	v := logView{
		Kind: kind("Log"), Path: s.Path, Format: s.Format, First: s.First, Next: s.Next, Records: s.Records, Bytes: s.Bytes,
		FileBytes: s.FileBytes, PageSize: s.PageSize, Pages: s.Pages, FreePages: s.FreePages, InUse: s.InUse,
	}
	if s.Damage != nil {
		v.Damage = s.Damage.Error()
	}
	return v
}

func (v logView) draw(p *page) {
	p.line("file     %s (format %d)", v.Path, v.Format)
	if v.Records == 0 {
		p.line("records  none, the next is %d", v.Next)
	} else {
		p.line("records  %d, from %d to %d, %v", v.Records, v.First, v.Next-1, size(v.Bytes))
	}
	p.line("on disk  %v, %d pages of %v%s", size(v.FileBytes), v.Pages, size(int64(v.PageSize)), v.free())
	if v.InUse {
		p.line("in use   an importer has it open; only what its first page says is known")
	}
	if v.Damage == "" {
		p.line("damage   none found")
	} else {
		p.line("damage   %s", v.Damage)
	}
}

func (v logView) free() string {
	if v.FreePages < 0 {
		return ""
	}
	return fmt.Sprintf(", %d free", v.FreePages)
}

func newWALInspect() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "inspect FILE|DATADIR",
		Short: "Describe a log, also while an importer uses it",
		Example: `  syncer wal inspect syncer-edge
  syncer wal inspect syncer-edge/inbox.db -o json`,
		Args: wants(0, "the log's file, or the importer's data directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := logFile(args[0])
			summary, err := wal.Inspect(path)
			if err != nil {
				return explainLog(err)
			}
			return out.print(cmd.OutOrStdout(), viewLog(summary), viewLog(summary).draw, path)
		},
	}
	out.addFlags(cmd)
	return cmd
}

func newWALVerify() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "verify FILE|DATADIR",
		Short:   "Check every record of a log; the importer must not run",
		Example: `  syncer wal verify syncer-edge`,
		Args:    wants(0, "the log's file, or the importer's data directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := logFile(args[0])
			summary, err := wal.Verify(path, nil)
			if err != nil {
				return explainLog(err)
			}
			return out.print(cmd.OutOrStdout(), viewLog(summary), viewLog(summary).draw, path)
		},
	}
	out.addFlags(cmd)
	return cmd
}

// logFile is the log in a data directory, or the path itself.
func logFile(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "inbox.db")
	}
	return path
}

func explainLog(err error) error {
	var damage *wal.CorruptError
	switch {
	case errors.Is(err, wal.ErrLocked):
		return fault.New(fault.General, "stop the importer first, or: syncer wal inspect", "%w", err)
	case errors.Is(err, wal.ErrForeign):
		return fault.New(fault.Usage, "name the inbox.db of an importer, or its data directory", "%w", err)
	case errors.Is(err, wal.ErrFormat):
		return fault.New(fault.General, "use the version of syncer that wrote it", "%w", err)
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Usage, "check the path; an importer makes its log when it first starts", "%w", err)
	case errors.As(err, &damage):
		return fault.New(fault.Check, "start the importer: it moves the file aside, keeps what is sound, and asks for the rest again", "%w", err)
	default:
		return err
	}
}
