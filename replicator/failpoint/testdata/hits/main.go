// Command hits comes to two failpoints three times, in turn, and says so.
package main

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

func main() {
	defer fmt.Println("deferred")
	for i := range 3 {
		fmt.Println("before", i)
		failpoint.Hit(failpoint.TxnBefore)
		fmt.Println("between", i)
		failpoint.Hit(failpoint.TxnAfter)
		fmt.Println("after", i)
	}
}
