package main

// Goroutines by the number.

import (
	"runtime"
	"sync"
)

// inTasks has n turns taken by as many goroutines as there are tasks, and waits for them.
func inTasks(tasks, n int, turn func(task int)) {
	var done sync.WaitGroup
	done.Add(tasks)
	for task := 0; task < tasks; task++ {
		go func(task int) {
			defer done.Done()
			for i := 0; i < n/tasks; i++ {
				turn(task)
			}
		}(task)
	}
	done.Wait()
}

// waiting starts n goroutines that wait in f, and returns when they are there; what it returns waits for their end.
func waiting(n int, f func(i int)) (ended func()) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	done.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			defer done.Done()
			ready.Done()
			f(i)
		}(i)
	}
	ready.Wait()
	// The last one has said that it is about to wait; now it gets the time to do so.
	runtime.Gosched()
	return done.Wait
}
