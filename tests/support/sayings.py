"""Sayings in words that the small mind was not written with, and questions whose answer it must not pretend to know."""

from __future__ import annotations

from typing import Final

HELD_OUT: Final[dict[str, list[str]]] = {
    "greeting": ["Well, hello.", "Good morning, Kai.", "Hey!", "Hello, is someone there?"],
    "how_are_you": ["How's life?", "How are you feeling today?", "How do you do?"],
    "identity": [
        "And what's your name?",
        "Hi, who are you?",
        "Tell me your name.",
        "What do people call you?",
    ],
    "is_human": ["Am I talking to a real human being?", "You're just a robot, right?", "Are you a machine?"],
    "help": ["What are the things you can do?", "What may I ask?", "What are you able to do for me?"],
    "time": [
        "What time do you have?",
        "Hey Kai, what time is it?",
        "What's the time, please?",
        "Kay, what time is it now?",
    ],
    "date": ["What day of the month is it?", "Do you know what day it is?", "What date do we have?"],
    "repeat": [
        "Say it again, please.",
        "Could you repeat what you said?",
        "What did you say?",
        "Once more, please.",
    ],
    "stop": ["Stop.", "Please be quiet now.", "Okay, stop.", "Stop it now."],
    "thanks": ["Thanks!", "Thank you, Kai.", "That helps, thank you.", "Many thanks."],
    "goodbye": ["Bye!", "See you tomorrow.", "I need to leave now, bye."],
    "key": ["How do I set the OpenAI key?", "Where do I enter an API key?", "How can I add a key?"],
    "privacy": ["Do you send my voice anywhere?", "Is anyone listening to us?", "Are you recording this?"],
    "where": ["Do you work offline?", "Are you running locally?", "Do you use the internet?"],
    "settings": ["Can you talk a bit slower?", "Change the voice, please.", "I want another face."],
    "joke": ["Do you know a joke?", "Tell me another joke."],
}
OUT_OF_SCOPE: Final[list[str]] = [
    *(
        "Who was Napoleon?",
        "What is the capital of Germany?",
        "How many people live in China?",
        "Book me a taxi.",
    ),
    *("Can you recommend a restaurant?", "Tell me about the Roman empire.", "Who won the election?"),
    *("What's the temperature outside?", "Explain relativity to me.", "Read me my emails.", "What is love?"),
    *("What is the distance to Mars?", "Translate hello into French.", "What is the stock price of Apple?"),
    *("Has never been surpassed.", "He was not an ill-disposed young man.", "How do I bake bread?"),
    *(
        "Who is the king of England?",
        "When does the museum open?",
        "Which team won yesterday?",
        "asdf qwer zxcv",
    ),
    "And it is worth mention in passing that, as an example of fine typography,",
]
