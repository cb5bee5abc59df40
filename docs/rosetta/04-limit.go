//go:build ignore

// errgroup with SetLimit
package main

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

func main() {
	var pages int32
	load := func() error {
		atomic.AddInt32(&pages, 1)
		return nil
	}
	// #region show
	var group errgroup.Group
	group.SetLimit(2)
	for i := 0; i < 5; i++ {
		group.Go(load) // waits for a slot
	}
	err := group.Wait()
	// #endregion
	if err != nil {
		panic(err)
	}
	fmt.Println(pages, "pages")
}
