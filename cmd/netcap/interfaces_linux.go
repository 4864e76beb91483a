package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netcap/capture"
	"netcap/internal/docker"
	"netcap/internal/links"
	"netcap/internal/printable"
)

// interfaceReport is an interface as netcap interfaces --json prints it.
type interfaceReport struct {
	Name  string `json:"name"`
	Index int    `json:"index"` // 0 for any
	State string `json:"state"` // up or down
	// Kind is what the kernel made it as, such as bridge or veth; "" for hardware.
	Kind      string   `json:"kind"`
	MAC       string   `json:"hardware_address"`
	MTU       int      `json:"mtu"` // bytes
	Addresses []string `json:"addresses"`
	// Network and Containers are what Docker has behind it.
	Network    string   `json:"docker_network"`
	Containers []string `json:"containers"`
}

func newInterfacesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "interfaces",
		Short: "List the interfaces that can be captured, and what Docker has behind them",
		Long: `Lists what -i can name: the interfaces of this machine with their state and addresses,
and behind each the Docker network that it joins, or the container that it leads to.
Those can be named too, as docker:NETWORK and container:NAME, and are then followed
through restarts. Asking Docker needs root or the group docker.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := interfaces()
			if err != nil {
				return err
			}
			uses, dockerErr := dockerUses(cmd.Context())
			for i := range all {
				use := uses[all[i].Name]
				all[i].Network, all[i].Containers = use.Network, append(all[i].Containers, use.Containers...)
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), all)
			} else {
				err = printInterfaces(cmd, all)
			}
			if dockerErr != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "netcap: what Docker has behind the interfaces isn't known: %s\n", oneLine(dockerErr))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, an object an interface")
	return cmd
}

func interfaces() ([]interfaceReport, error) {
	here, err := links.List()
	if err != nil {
		return nil, err
	}
	all := make([]interfaceReport, 0, len(here)+1)
	for _, l := range here {
		i := interfaceReport{Name: l.Name, Index: l.Index, State: "down", Kind: l.Kind, Addresses: []string{}, Containers: []string{}}
		if l.Up {
			i.State = "up"
		}
		ifi, err := net.InterfaceByIndex(l.Index)
		if err != nil {
			continue // it has just been deleted
		}
		i.MAC, i.MTU = ifi.HardwareAddr.String(), ifi.MTU
		addrs, err := ifi.Addrs()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("addresses of %s", l.Name), err)
		}
		for _, a := range addrs {
			i.Addresses = append(i.Addresses, a.String())
		}
		all = append(all, i)
	}
	return append(all, interfaceReport{Name: capture.Any, State: "up", Addresses: []string{}, Containers: []string{}}), nil
}

func printInterfaces(cmd *cobra.Command, all []interfaceReport) error {
	t := newTable(cmd.OutOrStdout(), "NAME", "STATE", "KIND", "ADDRESSES", "DOCKER")
	for _, i := range all {
		t.row(printable.Text(i.Name), i.State, i.kind(), orNone(strings.Join(i.Addresses, ", ")), orNone(printable.Line(i.docker())))
	}
	return t.flush()
}

func (i *interfaceReport) kind() string {
	switch {
	case i.Name == capture.Any:
		return "all of them"
	case i.Kind != "":
		return i.Kind
	case i.Name == "lo":
		return "loopback"
	}
	return "hardware"
}

// docker is what -i can say of it, by Docker's words.
func (i *interfaceReport) docker() string {
	var words []string
	if i.Network != "" && i.Kind == "bridge" {
		words = append(words, docker.NetworkPrefix+i.Network)
	}
	for _, c := range slices.Sorted(slices.Values(i.Containers)) {
		words = append(words, docker.ContainerPrefix+c)
	}
	return strings.Join(words, " ")
}
