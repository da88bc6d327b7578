"""What is counted of a model call."""

from flowforge.core.telemetry import Telemetry
from flowforge.llm.ports import Call


def measure(telemetry: Telemetry, call: Call) -> None:
    count = telemetry.count
    result = "cached" if call.cache_hit else call.result
    count(
        "flowforge_model_requests_total",
        provider=call.provider,
        model=call.model,
        operation=call.operation,
        result=result,
    )
    count("flowforge_model_tokens_total", call.usage.output, direction="output")
    count("flowforge_model_tokens_total", call.usage.prompt, direction="input")
    count("flowforge_model_cost_usd_total", float(call.cost))
