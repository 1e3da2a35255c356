"""The HTTP below httpx: connections whose every failure says what is known about the bytes sent."""
