package main

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"netcap/internal/printable"
	"netcap/internal/report"
	"netcap/rotate"
)

// topFlag is how many are wanted. The flag may stand alone, so that its value, if it is the
// next word, is an argument to pflag.
type topFlag struct {
	n     int
	flags *pflag.FlagSet
	after []int // arguments that preceded it where it stood alone
}

// topDefault is what pflag sets where the flag stands alone.
const topDefault = " "

func (t *topFlag) String() string { return strconv.Itoa(t.n) }

func (t *topFlag) Type() string { return "int" }

// Set implements pflag.Value.
func (t *topFlag) Set(s string) error {
	if s == topDefault {
		t.n = 10
		t.after = append(t.after, t.flags.NArg())
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return errors.New("not a number of talkers, which is 1 or more")
	}
	t.n, t.after = n, nil
	return nil
}

// leave takes numbers behind a flag that stood alone out of the arguments.
func (t *topFlag) leave(args []string) ([]string, error) {
	if len(t.after) == 0 {
		return args, nil
	}
	at := t.after[len(t.after)-1]
	if at >= len(args) || strings.Trim(args[at], "-0123456789") != "" || args[at] == "-" {
		return args, nil
	}
	if err := t.Set(args[at]); err != nil {
		return nil, usageError{fmt.Errorf("--top %s: %w", printable.Text(args[at]), err)}
	}
	return slices.Delete(slices.Clone(args), at, at+1), nil
}

// printTop prints who talked most, and by which protocols. The rows of a table add up.
func printTop(w io.Writer, top *report.Top) error {
	total := top.Total
	type row struct {
		name           string
		sent, received report.Amount
	}
	var rows []row
	for _, s := range top.Talkers {
		rows = append(rows, row{s.Name, report.Amount{Packets: s.SentPackets, Bytes: s.SentBytes}, report.Amount{Packets: s.ReceivedPackets, Bytes: s.ReceivedBytes}})
	}
	if o := top.OtherTalkers; o.Sent.Packets > 0 || o.Received.Packets > 0 {
		rows = append(rows, row{"(others)", o.Sent, o.Received})
	}
	if top.NoAddress.Packets > 0 {
		rows = append(rows, row{"(not IP)", top.NoAddress, top.NoAddress})
	}
	var sent, received []uint64
	for _, r := range rows {
		sent, received = append(sent, r.sent.Bytes), append(received, r.received.Bytes)
	}
	sentShares, receivedShares := shares(sent), shares(received)
	fmt.Fprintln(w)
	t := newTable(w, "TALKER", "SENT", "SIZE", "SHARE", "RECEIVED", "SIZE", "SHARE")
	for i, r := range rows {
		t.row(printable.Text(r.name), comma(r.sent.Packets), rotate.Size(int64(r.sent.Bytes)), sentShares[i],
			comma(r.received.Packets), rotate.Size(int64(r.received.Bytes)), receivedShares[i])
	}
	whole := shares([]uint64{total.Bytes})[0]
	t.row("total", comma(total.Packets), rotate.Size(int64(total.Bytes)), whole, comma(total.Packets), rotate.Size(int64(total.Bytes)), whole)
	if err := t.flush(); err != nil {
		return err
	}

	protocols := slices.Clone(top.Protocols)
	if top.OtherProtocols.Packets > 0 {
		protocols = append(protocols, report.Share{Name: "(others)", Amount: top.OtherProtocols})
	}
	var bytes []uint64
	for _, s := range protocols {
		bytes = append(bytes, s.Bytes)
	}
	parts := shares(bytes)
	fmt.Fprintln(w)
	t = newTable(w, "PROTOCOL", "PACKETS", "SIZE", "SHARE")
	for i, s := range protocols {
		t.row(printable.Text(s.Name), comma(s.Packets), rotate.Size(int64(s.Bytes)), parts[i])
	}
	t.row("total", comma(total.Packets), rotate.Size(int64(total.Bytes)), whole)
	return t.flush()
}

// shares are the parts of a sum, in tenths of a percent that add up to 100 %: those are rounded
// up that lose most by being rounded down. Of nothing there are none.
func shares(parts []uint64) []string {
	const whole = 1000
	sum := new(big.Int)
	for _, n := range parts {
		sum.Add(sum, new(big.Int).SetUint64(n))
	}
	texts := make([]string, len(parts))
	if sum.Sign() == 0 {
		for i := range texts {
			texts[i] = "-"
		}
		return texts
	}
	tenths, left := make([]int64, len(parts)), make([]*big.Int, len(parts))
	order, missing := make([]int, len(parts)), int64(whole)
	for i, n := range parts {
		product := new(big.Int).SetUint64(n)
		product.Mul(product, big.NewInt(whole))
		quotient, rest := product.QuoRem(product, sum, new(big.Int))
		tenths[i], left[i], order[i] = quotient.Int64(), rest, i
		missing -= tenths[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return left[b].Cmp(left[a]) })
	for _, i := range order[:missing] {
		tenths[i]++
	}
	for i, n := range tenths {
		texts[i] = fmt.Sprintf("%d.%d %%", n/10, n%10)
	}
	return texts
}
