package ledger

import (
	"strings"
	"time"
)

// An Act is what somebody did with a set: who, when, from where, and what.
type Act struct {
	At time.Time `json:"at"`
	// What is extract, read, hold, release, rotate, stop or repair.
	What string `json:"what"`
	UID  int    `json:"uid"`
	// User is the name of UID, and Login who logged in, as sudo and the kernel know: "" where
	// they don't.
	User  string `json:"user"`
	Login string `json:"login,omitempty"`
	// Terminal is where it was done from, "" for none.
	Terminal string `json:"terminal,omitempty"`
	// From, To and Filter are which packets were asked for; zero, or "", for any.
	From   *time.Time `json:"from,omitempty"`
	To     *time.Time `json:"to,omitempty"`
	Filter string     `json:"filter,omitempty"`
	// Packets were written into the file Into.
	Packets *int64 `json:"packets,omitempty"`
	Into    string `json:"into,omitempty"`
	// Text is the reason of a hold, or the file that was repaired.
	Text string `json:"text,omitempty"`
}

// What a ledger keeps of acts once it is written anew, and of each of their texts, in bytes.
const (
	mostActs    = 500
	mostActText = 256
)

// bounded is the act with texts of bounded length.
func (a Act) bounded() Act {
	for _, s := range []*string{&a.What, &a.User, &a.Login, &a.Terminal, &a.Filter, &a.Into, &a.Text} {
		if len(*s) > mostActText {
			*s = strings.ToValidUTF8((*s)[:mostActText], "") + "…"
		}
	}
	return a
}

func shrinkActs(all []Act) []Act { return all[max(0, len(all)-mostActs):] }
