"""Sayings in words that the mind was not written with, and questions whose answer it must not pretend to know."""

from __future__ import annotations

from typing import Final

#: Written after the mind and never used to improve it; the bench's figures are honest only as long as that is so.
UNSEEN: Final[dict[str, list[str]]] = {
    "greeting": ["Hi there, Kai.", "Good evening to you.", "Hey, good to see you."],
    "how_are_you": [
        "How are you doing this morning?",
        "Everything fine with you?",
        "How have you been lately?",
    ],
    "identity": ["Tell me a bit about who you are.", "May I ask your name?", "Who exactly are you?"],
    "is_human": ["Is this a recording or a real person?", "Are you some kind of computer program?"],
    "maker": ["Who developed you?", "Which company is behind you?", "What software are you built on?"],
    "help": ["What can I use you for?", "Show me what you can do.", "I don't know what to ask you."],
    "time": ["Have you got the time?", "Could you tell me the time please?", "How late is it now?"],
    "date": ["Which date is today?", "Tell me the day of the week.", "What's today's date, Kai?"],
    "repeat": ["Come again, please?", "I missed that, say it again.", "Would you mind repeating that?"],
    "stop": ["That's enough, thank you.", "Stop talking, please.", "Be silent."],
    "thanks": ["Thank you very much indeed.", "Great, thanks for that.", "I'm grateful."],
    "goodbye": ["Okay, bye for now.", "I have to go, goodbye.", "See you next time."],
    "key": ["Where do I type in my OpenAI key?", "How do I connect you to a bigger model?"],
    "privacy": [
        "Does what I say leave this computer?",
        "Is my voice being stored?",
        "Who else can hear this?",
    ],
    "where": ["Can you run with the network off?", "Are you running on my machine?"],
    "joke": ["Make me laugh, please.", "Got a joke for me?"],
    "my_name": ["Can you tell me what my name is?", "Do you still know my name?"],
    "eyes": ["Can you see what I am doing?", "Is there a camera on me?"],
    "units": [
        "How many grams are in a kilogram?",
        "What is 10 miles in kilometers?",
        "Convert 3 cups to milliliters.",
    ],
    "timer": [
        "Set a timer for ten minutes.",
        "Remind me in an hour to take a break.",
        "Tell me when 30 seconds have passed.",
    ],
    "note": ["Please remember that the code is four two.", "Make a note: buy bread."],
    "slower": ["Could you speak a little more slowly?", "You're too fast for me."],
    "louder": ["Could you be a bit louder?", "Please speak up."],
    "sum": ["How much is 14 plus 9?", "What is 8 times 12?"],
}
UNSEEN_OUT_OF_SCOPE: Final[list[str]] = [
    *("What is the tallest building in Dubai?", "Who painted the Mona Lisa?", "How do vaccines work?"),
    *("Which phone should I buy?", "What's on television tonight?", "Summarize the last meeting."),
    *("When does my train leave?", "How do I get to the airport?", "Who is the prime minister of Canada?"),
    *(
        "Write a letter to my landlord.",
        "What is the boiling point of ethanol?",
        "Is chocolate bad for dogs?",
    ),
    *("Turn on the kitchen light.", "Order more printer paper.", "What did Einstein discover?"),
    *("How long do elephants live?", "What is inflation?", "Tell me the plot of Macbeth."),
    *("My sister is moving to Berlin next month.", "The food at that place was awful."),
]
