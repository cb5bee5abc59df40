//go:build ignore

// singleflight.Group
package main

import (
	"fmt"

	"golang.org/x/sync/singleflight"
)

func main() {
	calls := 0
	load := func() (any, error) {
		calls++
		return "ada", nil
	}
	run := func() error {
		// #region show
		var users singleflight.Group
		v, err, shared := users.Do("7", load)
		if err != nil {
			return err
		}
		fmt.Println(v, shared)
		// #endregion
		return nil
	}
	if err := run(); err != nil {
		panic(err)
	}
	if calls != 1 {
		panic("it was called again")
	}
}
