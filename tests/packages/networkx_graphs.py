"""Shortest paths, components, a maximum flow, centrality, a spanning tree and GraphML written and read back."""
# packages: networkx
# image: text
import io

import networkx as nx


def work():
    graph = nx.gnm_random_graph(400, 1600, seed=4)
    for number, (a, b) in enumerate(graph.edges):
        graph[a][b]["weight"] = number * 7919 % 31 + 1
    grid = nx.grid_2d_graph(12, 12)
    nx.set_edge_attributes(grid, 3, "capacity")
    file = io.BytesIO()
    nx.write_graphml(graph, file)
    tree = nx.minimum_spanning_tree(graph)
    central = nx.degree_centrality(graph)
    return {
        "path": nx.dijkstra_path_length(graph, 0, 399),
        "components": nx.number_connected_components(graph),
        "flow": nx.maximum_flow_value(grid, (0, 0), (11, 11)),
        "central": max(central, key=lambda node: (central[node], node)),
        "tree": int(tree.size("weight")),
        "between": round(nx.betweenness_centrality(nx.path_graph(60))[30], 8),
        "read back": nx.read_graphml(io.BytesIO(file.getvalue())).number_of_edges(),
        "order": list(nx.topological_sort(nx.DiGraph([(1, 2), (2, 3), (1, 3)]))),
    }
