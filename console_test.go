package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
	"github.com/devserve/devserve/server"
)

// A command that prints more than anybody reads takes no line from others.
func TestOutputWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		c := startConsole(writer, &jsonLines{})
		printed := make(chan struct{})
		go func() {
			defer close(printed)
			for range 10 * queueLength {
				c.output(t.Context(), "loud", "x")
			}
		}()
		time.Sleep(time.Minute)
		for range queueLength / 4 {
			c.tell(note{"important"})
		}
		var out bytes.Buffer
		read := make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(&out, reader)
		}()
		<-printed
		c.close(time.Hour)
		writer.Close()
		<-read
		if n := strings.Count(out.String(), "important"); n != queueLength/4 {
			t.Errorf("%d lines of %d", n, queueLength/4)
		}
		if n := strings.Count(out.String(), `"output"`); n != 10*queueLength {
			t.Errorf("%d lines of output of %d", n, 10*queueLength)
		}

		// Nor does it keep anybody from the end.
		reader, writer = io.Pipe()
		c = startConsole(writer, &jsonLines{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 10 * queueLength {
			c.output(ctx, "loud", "x")
		}
		c.close(0)
		c.output(ctx, "loud", "x")
		reader.Close()
	})
}

func TestProgressAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out safeBuffer
		c := startConsole(&out, &text{width: 80})
		defer c.close(grace)
		want := func(step, text string) {
			t.Helper()
			synctest.Wait()
			if got := out.take(); got != text {
				t.Errorf("%s: printed %q, want %q", step, got, text)
			}
		}
		c.progress(0, 64)
		time.Sleep(progressAfter - time.Nanosecond)
		want("a moment before", "")
		c.progress(60, 200)
		time.Sleep(time.Nanosecond)
		want("after a second", "compiled 60 of 200 modules")
		time.Sleep(time.Second)
		want("nothing new", "")
		c.progress(64, 200)
		c.progress(128, 2000)
		time.Sleep(progressEvery)
		want("the newest", "\rcompiled 128 of 2000 modules\rcompiled 128 of 2000 modules")
		c.progress(9, 20)
		time.Sleep(progressEvery)
		want("shorter", "\rcompiled 9 of 20 modules    \rcompiled 9 of 20 modules")
		c.tell(note{"a note"})
		synctest.Wait()
		if got, clear := out.take(), "\r"+strings.Repeat(" ", 24)+"\r"; !strings.HasPrefix(got, clear) || !strings.HasSuffix(got, "a note\n") {
			t.Errorf("the note does not take the line of progress away: %q", got)
		}
		time.Sleep(progressEvery)
		want("after the note", "compiled 9 of 20 modules")
		c.tell(server.Build{Number: 1})
		synctest.Wait()
		out.take()
		time.Sleep(time.Minute)
		want("after the build", "")

		c.progress(1, 2)
		c.tell(server.Build{Number: 2})
		c.progress(3, 4)
		time.Sleep(progressAfter - time.Nanosecond)
		synctest.Wait()
		out.take()
		time.Sleep(time.Nanosecond)
		want("the next build counts from its own beginning", "compiled 3 of 4 modules")
		c.close(grace)
		if got := out.take(); got != "\r"+strings.Repeat(" ", 23)+"\r" {
			t.Errorf("close leaves the line of progress: %q", got)
		}
		c.tell(note{"too late"})
		c.close(grace)
		want("after close", "")
	})
}

func TestNoProgressWithoutATerminal(t *testing.T) {
	for _, p := range []printer{&text{}, &text{width: 80, quiet: true}, &jsonLines{}} {
		if got := p.progress(1, 2); got != "" {
			t.Errorf("%T prints %q", p, got)
		}
	}
}

// A held terminal (Ctrl+S) or a pipe that nobody reads must neither stop builds nor the end.
func TestBlockedOutput(t *testing.T) {
	leaktest.Check(t)
	r, w := io.Pipe()
	c := startConsole(w, &text{})
	const told = 3 * queueLength
	for range told {
		c.tell(note{"line"})
	}
	c.close(time.Millisecond)

	out := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		out <- string(b)
	}()
	<-c.done
	w.Close()
	got := <-out
	lines := strings.Count(got, "  line\n")
	if lines < queueLength || lines > queueLength+1 {
		t.Errorf("%d lines printed, the queue has %d", lines, queueLength)
	}
	if !strings.Contains(got, "more events are not shown, as the output was blocked\n") {
		t.Error("nothing says that lines are missing")
	}
}

func TestWritingFails(t *testing.T) {
	leaktest.Check(t)
	r, w := io.Pipe()
	r.Close()
	c := startConsole(w, &text{})
	c.tell(note{"line"})
	c.Write([]byte("a log record\n"))
	c.close(time.Minute)
}

// safeBuffer is a bytes.Buffer for two goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

// faulty is a printer with a mistake in it.
type faulty struct{ text }

func (f *faulty) print(at time.Time, event any) string {
	if _, ok := event.(reloading); ok {
		panic("boom")
	}
	return f.text.print(at, event)
}

func TestPanicInPrinter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		c := startConsole(&out, &faulty{})
		c.tell(reloading{"why"})
		synctest.Wait()
		c.tell(note{"the next"})
		c.close(time.Minute)
		for _, want := range []string{"panic in what is printed: boom", "(*faulty).print", "the next"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
	})
}
