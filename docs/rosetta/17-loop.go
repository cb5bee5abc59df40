//go:build ignore

// The loop over select and ctx.Done()
package main

import (
	"context"
	"fmt"
	"time"
)

func main() {
	ctx, jobs, n := context.Background(), make(chan string, 3), 0
	for _, job := range []string{"a", "b", "c"} {
		jobs <- job
	}
	close(jobs)
	handle, report := func(string) { n++ }, func() {}
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	// #region show
	work := func() error {
		for {
			select {
			case job, ok := <-jobs:
				if !ok {
					return nil
				}
				handle(job)
			case <-ticker.C:
				report()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	// #endregion
	if err := work(); err != nil {
		panic(err)
	}
	fmt.Println(n, "jobs")
}
