"""A graph of LangGraph whose model writes Python that calls the tools, without a model.

    pip install hypercell[langchain] langgraph
    python examples/langchain_tool.py

A scripted chat model asks for one block of code; then it would answer.
"""

from __future__ import annotations

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from hypercell.integrations.langchain import execute_code_tool

CODE = """
import statistics
readings = [temperature(city=city) for city in ('Oslo', 'Rome', 'Cairo')]
statistics.mean(readings)
"""


@tool
def temperature(city: str) -> float:
    """Says how warm it is in a city, in degrees Celsius."""
    return {"Oslo": 4.0, "Rome": 17.0, "Cairo": 30.0}[city]


def main() -> None:
    """Runs the graph."""
    request = AIMessage("", tool_calls=[{"id": "1", "name": "execute_code", "args": {"code": CODE}}])
    model = GenericFakeChatModel(messages=iter([request, AIMessage("It is 17 degrees on average.")]))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([execute_code_tool([temperature])]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    state = graph.compile().invoke({"messages": [("user", "How warm is it on average?")]})
    for message in state["messages"][2:]:
        print(f"{message.type}: {message.content}")


if __name__ == "__main__":
    main()
