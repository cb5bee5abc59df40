package main

// Tasks and locks. With GOMAXPROCS=1 a goroutine rarely stops while it holds a lock, so those that want it seldom have to wait.

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

func init() {
	add("group-limit", timed(just(groupOf(10))))
	// In Go nothing queues up: Go makes its caller wait for a slot. So this is the row above, with a fixed number of tasks.
	add("group-all", timedAt(100_000, just(groupOf(10))))
	add("group-1000", timedAt(1000, just(groupOf(-1))))
	add("waitgroup", timedAt(1000, just(waitGroup)))
	add("mutex", timed(just(mutexBy(1))))
	add("mutex-10", timed(just(mutexBy(10))))
	add("rwmutex-read", timed(just(readLock)))
	add("rwmutex-mixed", timed(just(readAndWrite)))
	add("semaphore", timed(just(acquireBy(1))))
	add("semaphore-10", timed(just(acquireBy(10))))
	add("singleflight", timed(just(callAlone)))
	add("singleflight-100", timed(just(callTogether)))
}

func soon() error { return nil }

func groupOf(limit int) func(n int) {
	return func(n int) {
		var group errgroup.Group
		group.SetLimit(limit)
		for i := 0; i < n; i++ {
			group.Go(soon)
		}
		check(group.Wait())
	}
}

func waitGroup(n int) {
	var group sync.WaitGroup
	for i := 0; i < n; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
		}()
	}
	group.Wait()
}

// by has n turns taken by this goroutine alone, or by so many.
func by(tasks, n int, turn func(task int)) {
	if tasks > 1 {
		inTasks(tasks, n, turn)
		return
	}
	for i := 0; i < n; i++ {
		turn(0)
	}
}

func mutexBy(tasks int) func(n int) {
	return func(n int) {
		var mutex sync.Mutex
		by(tasks, n, func(int) {
			mutex.Lock()
			mutex.Unlock()
		})
	}
}

func readLock(n int) {
	var mutex sync.RWMutex
	for i := 0; i < n; i++ {
		mutex.RLock()
		mutex.RUnlock()
	}
}

func readAndWrite(n int) {
	var mutex sync.RWMutex
	inTasks(10, n, func(task int) {
		if task == 0 {
			mutex.Lock()
			mutex.Unlock()
		} else {
			mutex.RLock()
			mutex.RUnlock()
		}
	})
}

func acquireBy(tasks int) func(n int) {
	return func(n int) {
		ctx := context.Background()
		weighted := semaphore.NewWeighted(1)
		by(tasks, n, func(int) {
			check(weighted.Acquire(ctx, 1))
			weighted.Release(1)
		})
	}
}

func callAlone(n int) {
	var group singleflight.Group
	call := func() (any, error) { return nil, nil }
	for i := 0; i < n; i++ {
		_, err, _ := group.Do("key", call)
		check(err)
	}
}

// The call lasts until all 100 callers are there: otherwise each would find the one before done, and nothing would be shared.
func callTogether(n int) {
	var group singleflight.Group
	for i := 0; i < n; i += 100 {
		all := make(chan struct{})
		call := func() (any, error) {
			<-all
			return nil, nil
		}
		ended := waiting(100, func(int) {
			_, err, _ := group.Do("key", call)
			check(err)
		})
		close(all)
		ended()
	}
}
