// Goroutines, channels, timers, the garbage collector, a signal, and a fault that becomes a panic.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func sum() int {
	var group sync.WaitGroup
	numbers := make(chan int, 10)
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func(i int) { defer group.Done(); numbers <- i }(i)
	}
	go func() { group.Wait(); close(numbers) }()
	total := 0
	for number := range numbers {
		total += number
	}
	return total
}

func fault() (message interface{}) {
	defer func() { message = recover() }()
	var pointer *int
	*pointer = 1
	return nil
}

func main() {
	fmt.Println("sum", sum())
	table := map[string]int{}
	for i := 0; i < 100000; i++ {
		table[fmt.Sprint(i)] = i
	}
	runtime.GC()
	fmt.Println("entries", len(table))
	// A goroutine that never calls anything is preempted by a signal.
	go func() {
		for {
		}
	}()
	time.Sleep(10 * time.Millisecond)
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-came)
	fmt.Println("recovered:", fault())
}
