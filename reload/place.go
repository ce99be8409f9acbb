package reload

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A scanner finds the place for the client in a body that comes in pieces.
//
// Once it has found the place it looks ahead over what else the head begins with, <meta>, <title>,
// <link> and <base>, as far as that is at hand: a policy there may have the nonce that the script is to carry.
type scanner struct {
	fragments bool     // what does not begin as a document is wanted too
	reason    string   // why there is no place
	policies  []string // of <meta http-equiv=Content-Security-Policy>

	pos      int  // up to here buf has been read
	at       int  // the place in buf, if anchored
	anchored bool // the place is known unless our script follows
	meta     bool // a <meta charset> was the anchor
	ahead    bool // the place is known for good
	document bool // it began as a document
	started  bool // the byte order mark has been looked at
	unclosed bool // buf ends in a token that only a > can end
}

// A pause is why a handler's writing is looked at.
type pause int

const (
	written pause = iota // more may follow at once
	flushed              // what is known shall arrive
	ended                // there is no more
)

type result int

const (
	more  result = iota // the body so far does not tell
	found               // at is the place
	none                // nothing belongs in here
)

// safe returns how many bytes of buf come before the place, whatever follows.
func (s *scanner) safe() int {
	if s.anchored {
		return s.at
	}
	return s.pos
}

// drop says that the first n bytes have been taken off buf.
func (s *scanner) drop(n int) {
	s.pos = max(s.pos-n, 0)
	s.at = max(s.at-n, 0)
}

// next reads on in buf, which begins as it was left at the last call.
func (s *scanner) next(buf []byte, why pause) (at int, _ result) {
	if !s.started {
		if len(buf) < 3 && why != ended {
			return 0, more
		}
		s.started = true
		begins := func(with string) bool { return bytes.HasPrefix(buf, []byte(with)) }
		switch {
		case begins("\xef\xbb\xbf"):
			s.pos = 3
		case begins("\xfe\xff"), begins("\xff\xfe"), begins("<\x00"), begins("\x00<"):
			return s.none(reasonUTF16)
		case begins("\x1f\x8b"), begins("\x28\xb5\x2f"):
			return s.none("the body is encoded, and its header does not say so")
		}
	}
	if s.ahead {
		return s.look(buf, why)
	}
	z := html.NewTokenizer(bytes.NewReader(buf[s.pos:]))
	for {
		kind := z.Next()
		raw := z.Raw()
		end := s.pos + len(raw)
		if kind == html.ErrorToken {
			break // the end, or an unfinished tag
		}
		s.unclosed = false
		if kind == html.TextToken {
			s.pos += len(raw) - len(bytes.TrimLeft(raw, " \t\n\f\r"))
			if s.pos == end {
				continue
			}
			if buf[s.pos] == '<' && end == len(buf) {
				break // perhaps a tag
			}
			return s.content(buf, "", why)
		}
		switch {
		case kind == html.CommentToken:
			if end == len(buf) {
				return s.unfinished(buf, why) // perhaps only cut off
			}
			s.pos = end
		case kind == html.DoctypeToken && !s.anchored:
			if raw[len(raw)-1] != '>' {
				return s.unfinished(buf, why)
			}
			s.document = true
			s.pos = end
		case kind == html.StartTagToken || kind == html.SelfClosingTagToken:
			token := z.Token()
			switch {
			case token.Data == "html" && !s.anchored:
				s.pos = end
			case token.Data == "head" && !s.anchored, isCharset(token) && !s.meta:
				s.meta = token.Data == "meta"
				s.pos, s.at, s.anchored = end, end, true
			case isClient(token):
				return s.none("the page loads it by itself")
			default:
				return s.content(buf, token.Data, why)
			}
			s.document = true
		default:
			return s.content(buf, "", why)
		}
	}
	return s.unfinished(buf, why)
}

// unfinished is reached where buf ends, perhaps within a token.
func (s *scanner) unfinished(buf []byte, why pause) (int, result) {
	if why == ended {
		return s.content(buf, "", why)
	}
	s.unclosed = s.pos < len(buf)
	return 0, more
}

// content decides at pos, where content begins: an element with this tag, or "" for anything else.
func (s *scanner) content(buf []byte, tag string, why pause) (int, result) {
	if !s.anchored {
		s.at = s.pos
	}
	switch tag {
	case "body", "title", "meta", "link", "base":
		s.document = true
	}
	if !s.document && !s.fragments {
		return s.none("the body is no complete document")
	}
	s.ahead, s.anchored = true, true
	return s.look(buf, why)
}

// look reads on from pos, behind the place.
func (s *scanner) look(buf []byte, why pause) (int, result) {
	wait := why == written && len(buf)-s.at <= maxToken
	z := html.NewTokenizer(bytes.NewReader(buf[s.pos:]))
	title := false // what is in it has no tags: pos stays before it, so that it is read as a whole
	for pos := s.pos; ; {
		kind := z.Next()
		raw := z.Raw()
		pos += len(raw)
		text := bytes.TrimLeft(raw, " \t\n\f\r")
		ours := kind == html.CommentToken || kind == html.TextToken && (title || len(text) == 0)
		switch {
		case wait && (kind == html.ErrorToken || pos == len(buf) && (ours || len(text) == 1 && text[0] == '<')):
			s.unclosed = s.pos < len(buf) // the last token may be cut off
			return 0, more
		case ours:
		case kind == html.EndTagToken && title:
			title = false
		case kind == html.StartTagToken || kind == html.SelfClosingTagToken:
			token := z.Token()
			switch token.Data {
			case "title":
				title = true
			case "meta":
				if policy, ok := metaPolicy(token); ok {
					s.policies = append(s.policies, policy)
				}
			case "link", "base":
			default:
				return s.found(buf)
			}
		default:
			return s.found(buf)
		}
		if !title {
			s.pos = pos
		}
	}
}

func (s *scanner) found(buf []byte) (int, result) {
	if loadsClient(buf[s.at:]) {
		return s.none("the page loads it by itself")
	}
	return s.at, found
}

func (s *scanner) none(reason string) (int, result) {
	s.reason = reason
	return 0, none
}

// isCharset reports whether t tells the encoding, as <meta charset> does.
func isCharset(t html.Token) bool {
	return t.Data == "meta" && slices.ContainsFunc(t.Attr, func(a html.Attribute) bool {
		return a.Key == "charset" || a.Key == "http-equiv" && strings.EqualFold(a.Val, "content-type")
	})
}

// metaPolicy returns the Content-Security-Policy that t, a <meta>, has.
func metaPolicy(t html.Token) (policy string, ok bool) {
	for _, a := range t.Attr {
		switch a.Key {
		case "http-equiv":
			ok = strings.EqualFold(strings.TrimSpace(a.Val), "Content-Security-Policy")
		case "content":
			policy = a.Val
		}
	}
	return policy, ok
}

const clientPath = "_devserve/client.js"

// isClient reports whether t loads the client.
func isClient(t html.Token) bool {
	return t.Data == "script" && slices.ContainsFunc(t.Attr, func(a html.Attribute) bool {
		path, _, _ := strings.Cut(a.Val, "?")
		return a.Key == "src" && strings.HasSuffix(path, clientPath)
	})
}

// loadsClient looks for the client in what is at hand of the page. What comes
// later may have it too; the client then finds itself running and rests.
func loadsClient(rest []byte) bool {
	if !bytes.Contains(rest, []byte(clientPath)) {
		return false
	}
	z := html.NewTokenizer(bytes.NewReader(rest))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			if isClient(z.Token()) {
				return true
			}
		}
	}
}
