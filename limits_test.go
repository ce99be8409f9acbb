//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLimits asks a running devserve for too much of each thing that has a limit.
func TestLimits(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"site/index.html": "<!doctype html>",
		"editor":          fmt.Sprintf("#!/bin/sh\necho $PPID >> '%[1]s/started'\nuntil [ -e '%[1]s/over' ]; do sleep 0.05; done\n", dir),
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	host := attacked(t, dir, filepath.Join(dir, "site"))
	script, _, err := fetch("GET", "http://"+host+"/_devserve/client.js", http.Header{})
	token := regexp.MustCompile(`token: "(\w+)"`).FindStringSubmatch(script)
	if err != nil || token == nil {
		t.Fatal(err, script)
	}
	header := "Host: " + host + "\r\nOrigin: http://" + host + "\r\nContent-Type: application/json\r\nX-Devserve-Token: " + token[1] + "\r\n"
	post := func(name, body string) string {
		return fmt.Sprintf("POST /_devserve/%s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", name, header, len(body), body)
	}

	t.Run("slow", func(t *testing.T) {
		for name, begun := range map[string]string{
			"nothing":  "",
			"a header": "GET / HTTP/1.1\r\nHost: " + host + "\r\nX: ",
			"a body":   strings.TrimSuffix(post("log", `{"level": "log", "args": []}`), "}"),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				if answers(t, host, begun); time.Since(began) < 8*time.Second || time.Since(began) > patience/2 {
					t.Errorf("given up after %v, want 10s", time.Since(began))
				}
			})
		}
	})

	for kb, want := range map[int]int{31: 200, 33: 431} {
		fill := strings.Repeat("x", kb<<10)
		if got := answers(t, host, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nX: "+fill+"\r\n\r\n"); len(got) != 1 || got[0] != want {
			t.Errorf("a header of %d KB: %v, want %d", kb, got, want)
		}
	}
	for size, want := range map[int]int{64 << 10: 204, 64<<10 + 1: 413} {
		body := `{"level": "log", "args": []` + strings.Repeat(" ", size-28) + "}"
		if got := answers(t, host, strings.Replace(post("log", body), "\r\n", "\r\nConnection: close\r\n", 1)); len(got) != 1 || got[0] != want {
			t.Errorf("a body of %d bytes: %v, want %d", size, got, want)
		}
	}

	t.Run("many editors", func(t *testing.T) {
		got := answers(t, host, strings.Repeat(post("open", `{"file": "index.html"}`), 8)+post("open", `{"file": "index.html"}`)+last(host))
		if want := []int{204, 204, 204, 204, 204, 204, 204, 204, 400, 404}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if err := os.WriteFile(filepath.Join(dir, "over"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		var pid string
		waitFor(t, "eight editors", func() bool {
			started, _ := os.ReadFile(filepath.Join(dir, "started"))
			pid, _, _ = strings.Cut(string(started), "\n")
			return strings.Count(string(started), "\n") == 8
		})
		waitFor(t, "no children", func() bool {
			list, err := exec.Command("ps", "-A", "-o", "ppid=,stat=").Output()
			if err != nil {
				t.Fatal(err)
			}
			return !regexp.MustCompile(`(?m)^ *` + pid + ` `).Match(list)
		})
		if got := answers(t, host, post("open", `{"file": "index.html"}`)+last(host)); got[0] != 204 {
			t.Errorf("the next: %v", got)
		}
	})

	t.Run("many messages", func(t *testing.T) {
		const sent = 400
		began := time.Now()
		var got []int
		for range sent { // one by one: what comes after one that is refused takes its answer with it when the connection ends
			got = append(got, answers(t, host, strings.Replace(post("log", `{"level": "log", "args": ["x"]}`), "\r\n", "\r\nConnection: close\r\n", 1))...)
		}
		heard, refused := 0, 0
		for _, status := range got {
			switch status {
			case http.StatusNoContent:
				heard++
			case http.StatusTooManyRequests:
				refused++
			}
		}
		// While the messages come, more are allowed: some are heard between those that are refused.
		most := 100 + int(100*time.Since(began).Seconds()) + 1
		if first := slices.Index(got, http.StatusTooManyRequests); first < 50 || heard > most || heard+refused != sent {
			t.Errorf("%d of %d heard in %v: %v", heard, sent, time.Since(began), got)
		}
	})
}

// last is a request that ends the connection with its answer.
func last(host string) string {
	return "GET /_devserve/last HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
}

// answers sends requests and returns the statuses of what comes, until the connection is closed.
func answers(t *testing.T, host, requests string) (statuses []int) {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, requests) // what is refused may not be read to its end
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		io.Copy(io.Discard, res.Body)
		statuses = append(statuses, res.StatusCode)
	}
}

func waitFor(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
