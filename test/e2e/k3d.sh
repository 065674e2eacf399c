#!/bin/sh
# What only the owner of a cluster can do, for k3d:
#
#   E2E_KILL='test/e2e/k3d.sh kill' E2E_API='test/e2e/k3d.sh api' E2E_NODE='test/e2e/k3d.sh node' npm run test:e2e:full
#
# kill POD                        SIGKILL the processes of a pod
# api stop|start                  drop all that is sent to the API server: a k3d server runs pods too, so it cannot be stopped
# node NAME crash|start|cut|join  a node's container is killed, or its interface drops everything
set -eu

cluster=${K3D_CLUSTER:-jackdaw}

case $1 in
  kill)
    node=$(kubectl get pods --all-namespaces --field-selector "metadata.name=$2" --output 'jsonpath={.items[0].spec.nodeName}')
    # shellcheck disable=SC2016 # expanded in the node
    docker exec "$node" sh -c '
      for id in $(crictl ps --quiet --label "io.kubernetes.pod.name=$1"); do
        kill -9 "$(crictl inspect --output go-template --template "{{.info.pid}}" "$id")"
      done' sh "$2"
    ;;
  api)
    case $2 in stop) rule=--insert ;; start) rule=--delete ;; esac
    docker exec "k3d-$cluster-server-0" iptables "$rule" INPUT --protocol tcp --dport 6443 --jump DROP
    ;;
  node)
    case $3 in
      crash) docker kill "$2" ;;
      start) docker start "$2" ;;
      cut | join)
        if [ "$3" = cut ]; then rule=--insert; else rule=--delete; fi
        docker exec "$2" iptables --table raw "$rule" PREROUTING --in-interface eth0 --jump DROP
        docker exec "$2" iptables --table raw "$rule" OUTPUT --out-interface eth0 --jump DROP
        ;;
    esac
    ;;
esac
