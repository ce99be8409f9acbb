package main

import (
	"net"
	"slices"
	"strings"
	"testing"
)

func TestListenTakesTheNextFreePort(t *testing.T) {
	first := mustListen(t, "localhost", 0, false)
	taken := port(first)
	next := mustListen(t, "localhost", taken, false)
	if got := port(next); got <= taken || got >= taken+portsTried {
		t.Errorf("port %d after %d", got, taken)
	}
	if _, err := listen("localhost", taken, true); err == nil || !strings.Contains(err.Error(), "is in use: stop the program") {
		t.Errorf("a strict port in use: %v", err)
	}
}

// Browsers try [::1] before 127.0.0.1, so a port is not free if another program has it there.
func TestLocalhostIsBothAddresses(t *testing.T) {
	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		ls := mustListen(t, "localhost", 0, false)
		if len(ls) != 1 {
			t.Errorf("%d listeners without IPv6 (%v)", len(ls), err)
		}
		return
	}
	defer six.Close()
	taken := six.Addr().(*net.TCPAddr).Port
	if _, err := listen("localhost", taken, true); err == nil {
		t.Error("listens on 127.0.0.1 alone")
	}
	ls := mustListen(t, "localhost", 0, true)
	if len(ls) != 2 || ls[0].Addr().(*net.TCPAddr).Port != ls[1].Addr().(*net.TCPAddr).Port {
		t.Errorf("listens on %v and %v", ls[0].Addr(), ls[len(ls)-1].Addr())
	}
}

func TestListenRefuses(t *testing.T) {
	for _, tt := range []struct {
		host string
		port int
		want string
	}{
		{"192.0.2.1", 0, `cannot listen on "192.0.2.1", as no address of this machine`},
		{"no host", 0, `cannot listen on "no host", as no address of this machine`},
	} {
		ls, err := listen(tt.host, tt.port, false)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("listen(%q, %d) = %v, %v", tt.host, tt.port, ls, err)
		}
	}
}

func TestNoPortIsFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:65535")
	if err == nil {
		defer l.Close()
	} else if !inUse(err) {
		t.Fatal(err)
	}
	if _, err := listen("127.0.0.1", 65535, false); err == nil || !strings.HasPrefix(err.Error(), "ports 65535 to 65535 are in use: choose another") {
		t.Errorf("got %v", err)
	}
}

func TestURLs(t *testing.T) {
	own := ownAddresses()
	var network []string
	for _, a := range own {
		network = append(network, "http://"+net.JoinHostPort(a, "3000")+"/")
	}
	for _, tt := range []struct {
		host, addr, base string
		local, network   []string
	}{
		{"localhost", "127.0.0.1:3000", "", []string{"http://localhost:3000/"}, nil},
		{"localhost", "[::1]:3001", "/sub/", []string{"http://localhost:3001/sub/"}, nil},
		{"127.0.0.1", "127.0.0.1:3000", "/", []string{"http://127.0.0.1:3000/"}, nil},
		{"::1", "[::1]:3000", "/", []string{"http://[::1]:3000/"}, nil},
		{"0.0.0.0", "[::]:3000", "/", []string{"http://localhost:3000/"}, network},
		{"box", "192.0.2.7:3000", "/a/", nil, []string{"http://192.0.2.7:3000/a/"}},
	} {
		addr, err := net.ResolveTCPAddr("tcp", tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		local, network := urls(tt.host, addr, tt.base)
		if !slices.Equal(local, tt.local) || !slices.Equal(network, tt.network) {
			t.Errorf("urls(%s, %s, %s) = %q, %q", tt.host, tt.addr, tt.base, local, network)
		}
	}
}

func mustListen(t *testing.T, host string, port int, strict bool) []net.Listener {
	t.Helper()
	ls, err := listen(host, port, strict)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ls {
		t.Cleanup(func() { l.Close() })
	}
	return ls
}

func port(ls []net.Listener) int { return ls[0].Addr().(*net.TCPAddr).Port }
