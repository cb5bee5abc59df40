//go:build ignore

// sync.Once
package main

import (
	"fmt"
	"sync"
)

func main() {
	loads := 0
	load := func() { loads++ }
	// #region show
	var once sync.Once
	once.Do(load)
	once.Do(load)
	// #endregion
	fmt.Println("loaded", loads, "time")
}
