package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what scripts compare with anew")

// TestMain lets the test binary be syncer itself when it is started again
// under that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"syncer": func() { os.Exit(run()) }})
}

// TestScripts runs the stories of testdata/scripts against real daemons, hubs
// and etcds. Their own commands are in stage_test.go, stageetcd_test.go,
// stagekube_test.go and stageplane_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/scripts",
		RequireExplicitExec: true,
		Setup:               setStage,
		Cmds:                stageCommands(),
		Condition:           withPlane,
		UpdateScripts:       *update,
	})
}

// stageCommands are what stories can do beside what every script can.
func stageCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"address":   onStage((*stage).address),
		"etcd":      onStage((*stage).etcd),
		"put":       onStage((*stage).put),
		"putmany":   onStage((*stage).putMany),
		"unseen":    onStage((*stage).unseen),
		"down":      onStage((*stage).down),
		"up":        onStage((*stage).up),
		"delete":    onStage((*stage).deleteAll),
		"expect":    onStage((*stage).expect),
		"becomes":   onStage((*stage).becomes),
		"exits":     onStage((*stage).exits),
		"unseenby":  onStage((*stage).unseenBy),
		"expand":    onStage((*stage).expand),
		"token":     onStage((*stage).token),
		"remember":  onStage((*stage).remember),
		"daemon":    onStage((*stage).daemon),
		"quit":      onStage((*stage).quit),
		"await":     onStage((*stage).await),
		"ends":      onStage((*stage).ends),
		"interrupt": onStage((*stage).interrupt),
		"certify":   onStage((*stage).certify),
		"load":      onStage((*stage).load),
		"dump":      onStage((*stage).dump),
		"says":      onStage((*stage).says),
		"console":   onStage((*stage).console),
		"plane":     onStage((*stage).plane),
		"kubeapply": onStage((*stage).kubeApply),
		"kubeget":   onStage((*stage).kubeGet),
		"sees":      onStage((*stage).sees),
	}
}
